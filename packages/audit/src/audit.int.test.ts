/** The audit as a whole. What each check names is beside this: ledger, state, log, snapshots. */
import { describe, expect, test } from 'vitest'
import { runAudit } from './audit.ts'
import { useWorld } from './audited-world.fixture.ts'
import { readConsistently } from './consistent-read.ts'
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

test('without Kafka what the database alone can tell is still looked at', async () => {
  const down = () => Promise.reject(new Error('Kafka is down'))
  const log = { describe: down, bounds: down, read: down, close: async () => {} }
  const report = await runAudit({ ...audited.world, log, nowMs: () => 0 })
  const skipped = report.checks.flatMap(({ name, skipped }) => (skipped === undefined ? [] : [name]))
  expect(skipped).toEqual(['partitions', 'events', 'outcomes'])
})

test('a slot that cannot be read is named, and those after it are looked at', async () => {
  const { a, b, pool } = audited.world
  const [first = a, second = b] = [a, b].sort()
  // The database refuses to make this a number.
  await pool.query(`UPDATE slots SET start_time = 'infinity', end_time = 'infinity' WHERE id = '${first}'`)
  await pool.query(`UPDATE slots SET confirmed = 0 WHERE id = '${second}'`)
  for (const slotsPerBatch of [1, 1000]) {
    const report = await audited.audit({ slotsPerBatch, only: ['slot-state', 'orphans'] })
    expect(report).toMatchObject({
      complete: false,
      checks: [
        { name: 'slot-state', checked: 1, skipped: expect.stringContaining(`slot ${first}`) },
        { checked: 6 },
      ],
      findings: [{ check: 'slot-state', slotId: second }],
    })
  }
})

test('no check left to be done is no clean audit', async () => {
  await expect(audited.audit({ slotId: audited.world.a, only: ['partitions'] })).rejects.toThrow(
    'no check to be done',
  )
})

test('a read sees one moment, whatever is committed between its statements', async () => {
  const { a, pool } = audited.world
  const confirmed = `SELECT confirmed FROM slots WHERE id = '${a}'`
  const [before, after] = await readConsistently(pool, 5000, async (query) => {
    const first = await query(confirmed)
    await pool.query(`UPDATE slots SET confirmed = confirmed + 1 WHERE id = '${a}'`)
    return [first, await query(confirmed)]
  })
  expect(after).toEqual(before)
})

test('reservations of slots that are not stored are found on every page', async () => {
  await audited.world.pool.query(audited.filled(`DELETE FROM slots`))
  const ofOwners = async (ownersPerPage: number) => {
    const report = await audited.audit({ ownersPerPage, only: ['orphans'] })
    const owners = report.findings.filter(({ detail }) => detail.includes('belong to it'))
    return { checked: report.checks[0]?.checked, owners: new Set(owners.map(({ slotId }) => slotId)) }
  }
  expect((await ofOwners(1000)).owners.size).toBe(2)
  expect(await ofOwners(1)).toEqual(await ofOwners(1000))
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
    const limits = { newestEntries, findingsMax: 100, statementTimeoutMs: 10_000, stuckAfterMs: 60_000 }
    const { entries } = await auditOneSlot(world.pool, world.a, protocol, limits)
    return { entries, said: protocol.report(0).findings.map(({ check, detail }) => `${check}: ${detail}`) }
  }

  test('are looked at, without a false alarm wherever they begin', async () => {
    for (let newest = 1; newest <= 6; newest++)
      expect(await look(newest)).toEqual({ entries: newest, said: [] })
    // It has more reservations than entries that are wanted.
    expect(await look(5)).toEqual({ entries: 5, said: [] })
  })

  test('are no more than that, also where the stored version is too low', async () => {
    await audited.world.pool.query(audited.filled(`UPDATE slots SET version = 1 WHERE id = '{a}'`))
    const { entries, said } = await look(4)
    expect(entries).toBe(4)
    expect(said).toContainEqual(expect.stringContaining('version is 1, the ledger says 4'))
  })

  test('give away what is wrong in them, and what is missing among them', async () => {
    const { pool } = audited.world
    await pool.query(audited.filled(`DELETE FROM slot_ledger WHERE slot_id = '{a}' AND version = 5`))
    await pool.query(audited.filled(`UPDATE reservations SET user_id = 'eve' WHERE id = '{second}'`))
    const { said } = await look(4)
    expect(said).toContain('ledger-versions: version 5 is missing')
    expect(said).toContain('reservations: user_id is eve, ledger version 3 says user-3')
    // Older than the newest two: not seen.
    expect((await look(1)).said).toEqual([])
  })
})
