/** The audit as a whole. What each check names is beside this: ledger, state, log, snapshots. */
import { describe, expect, test } from 'vitest'
import { runAudit } from './audit.ts'
import { useWorld } from './audited-world.fixture.ts'
import { checkNames, Protocol } from './report.ts'
import { auditOneSlot } from './slots.ts'

const audited = useWorld()

test('nothing is found where nothing is wrong, and everything was looked at', async () => {
  await audited.world.putSnapshot(audited.world.a)
  const report = await audited.audit()
  expect(report.findings).toEqual([])
  expect(report.checks.flatMap(({ skipped }) => skipped ?? [])).toEqual([])
  expect(report).toMatchObject({ complete: true, findingsTotal: 0 })
  const checked = Object.fromEntries(report.checks.map(({ name, checked }) => [name, checked]))
  expect(Object.keys(checked)).toEqual(checkNames)
  expect(checked).toMatchObject({
    'ledger-versions': 2,
    'ledger-entries': 8,
    'slot-state': 2,
    reservations: 5,
    orphans: 6,
    outcomes: 11,
    events: 10,
    snapshots: 1,
    'dead-letters': 1,
  })
})

describe('what cannot be done is said', () => {
  test('without Redis and without a log', async () => {
    const report = await runAudit({ ...audited.world, redis: null, log: null, nowMs: () => 0 })
    expect(report.complete).toBe(false)
    expect(report.checks.filter(({ skipped }) => skipped !== undefined).map(({ name }) => name)).toEqual([
      'partitions',
      'events',
      'outcomes',
      'snapshots',
      'snapshot-behind',
    ])
  })
})

test('one slot alone is audited, and what is wrong elsewhere is not its matter', async () => {
  await audited.world.pool.query(audited.filled("UPDATE slots SET confirmed = 0 WHERE id = '{b}'"))
  const report = await audited.audit({ slotId: audited.world.a })
  expect(report).toMatchObject({ findings: [], complete: true })
  expect((await audited.audit({ slotId: audited.world.b })).findings).toMatchObject([
    { check: 'slot-state', repairable: 'state' },
  ])
})

test('every finding is counted, however few are kept', async () => {
  await audited.world.pool.query('UPDATE slot_ledger SET held_delta = 1')
  const report = await audited.audit({ findingsMax: 3, only: ['ledger-entries'] })
  expect(report).toMatchObject({ findingsTotal: 8 })
  expect(report.findings).toHaveLength(3)
})

test('batches of one slot find what one batch finds', async () => {
  await audited.world.pool.query('UPDATE slots SET confirmed = 0')
  expect(await audited.findings({ slotsPerBatch: 1 })).toEqual(await audited.findings())
})

describe('of a long ledger only the newest entries', () => {
  const look = async (newestEntries: number) => {
    const protocol = new Protocol(checkNames, 100)
    const { world } = audited
    const limits = { newestEntries, findingsMax: 100, statementTimeoutMs: 10_000 }
    const { entries } = await auditOneSlot(world.pool, world.a, protocol, limits)
    return { entries, said: protocol.report(0).findings.map(({ check, detail }) => `${check}: ${detail}`) }
  }

  test('are looked at, without a false alarm wherever they begin', async () => {
    for (let newest = 1; newest <= 6; newest++)
      expect(await look(newest)).toEqual({ entries: newest, said: [] })
    // It has more reservations than entries that are wanted.
    expect(await look(5)).toEqual({ entries: 5, said: [] })
  })

  test('give away what is wrong in them, and what is missing among them', async () => {
    const { pool } = audited.world
    await pool.query(audited.filled(`DELETE FROM slot_ledger WHERE slot_id = '{a}' AND version = 5`))
    await pool.query(audited.filled(`UPDATE reservations SET user_id = 'eve' WHERE id = '{second}'`))
    const { said } = await look(4)
    expect(said).toContain('ledger-versions: version 5 is missing')
    expect(said).toContain('reservations: user_id is eve, the ledger says user-3')
    // Older than the newest two: not seen.
    expect((await look(1)).said).toEqual([])
  })
})
