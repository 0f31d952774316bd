/** State is made again from the ledger, snapshots from state, the writer is fenced, and nothing else is touched. */
import { FencedError } from '@ironsys/engine'
import { expect, test } from 'vitest'
import { useWorld } from './audited-world.fixture.ts'
import { planRepair, repairSlot } from './repair.ts'

const audited = useWorld()

const deps = () => audited.world
const damage = (sql: string) => audited.world.pool.query(audited.filled(sql))

async function plan() {
  return planRepair(deps(), (await audited.audit()).findings)
}

async function repairAll() {
  const { repairs } = await plan()
  return Promise.all(repairs.map((repair) => repairSlot(deps(), repair)))
}

test('every damage of state is shown field by field, and gone after the repair', async () => {
  await damage(
    `UPDATE slots SET confirmed = 4, name = 'Other', body_hash = 'x', end_time = now() WHERE id = '{a}'`,
  )
  await damage(`UPDATE reservations SET status = 'confirmed', cancelled_at = NULL WHERE id = '{cancelled}'`)
  await damage(`UPDATE reservations SET user_id = 'eve', metadata = NULL WHERE id = '{first}'`)
  await damage(`DELETE FROM reservations WHERE id = '{second}'`)
  await damage(`DELETE FROM slots WHERE id = '{b}'`)
  const { repairs, refused } = await plan()
  expect(refused).toEqual([])
  const shown = repairs.flatMap(({ changes }) => changes)
  expect(shown).toContainEqual({ subject: 'slot', field: 'confirmed', stored: '4', derived: '5' })
  expect(shown).toContainEqual({
    subject: audited.filled('reservation {cancelled}'),
    field: 'status',
    stored: 'confirmed',
    derived: 'cancelled',
  })
  await repairAll()
  expect(await audited.findings()).toEqual([])
})

test('the writer is fenced, and its next commit after it has looked again succeeds', async () => {
  const { a, writer, pool } = audited.world
  await damage(`UPDATE slots SET confirmed = 4 WHERE id = '{a}'`)
  const [repaired] = await repairAll()
  expect(repaired).toMatchObject({ slotId: a, epoch: expect.any(Number), snapshotFault: null })
  const command = { v: 1, type: 'update_slot', id: crypto.randomUUID(), slot_id: a, name: 'Again' }
  await expect(writer.apply(a, command)).rejects.toThrow(FencedError)
  const { rows } = await pool.query('SELECT epoch::int FROM slots WHERE id = $1', [a])
  expect(rows).toEqual([{ epoch: repaired?.epoch }])
})

test('a snapshot that is ahead, by whatever epoch, is replaced and announced', async () => {
  const { a, b, redis } = audited.world
  await audited.world.putSnapshot(a, (slot) => ({ ...slot, version: 99 }), 50)
  await audited.world.putSnapshot(b, (slot) => ({ ...slot, name: 'Other' }))
  const repaired = await repairAll()
  expect(repaired.map(({ epoch }) => epoch)).toEqual([expect.any(Number), expect.any(Number)])
  expect(await audited.findings()).toEqual([])
  expect(await redis.get(`ironsys:{slot:${a}}`)).toMatch(/^\d+:6:/)
})

test('a snapshot that is only behind is written again without fencing the writer', async () => {
  await audited.world.putSnapshot(audited.world.a, (slot) => ({ ...slot, version: 5 }))
  expect(await repairAll()).toMatchObject([{ epoch: null, snapshotFault: null }])
  expect(await audited.findings()).toEqual([])
})

test.each([
  ['with a gap', `DELETE FROM slot_ledger WHERE slot_id = '{a}' AND version = 3`],
  ['out of bounds', `UPDATE slot_ledger SET confirmed_delta = 50 WHERE slot_id = '{a}' AND version = 3`],
  ['that lost its end', `DELETE FROM slot_ledger WHERE slot_id = '{a}' AND version = 6`],
])('a ledger %s repairs nothing', async (_what, sql) => {
  await damage(sql)
  await damage(`UPDATE slots SET confirmed = 4 WHERE id = '{a}'`)
  const { findings } = await audited.audit()
  expect(findings.filter(({ repairable }) => repairable !== null)).toEqual([])
  // Nor when somebody insists.
  const insisting = findings.map((finding) => ({ ...finding, repairable: 'state' as const }))
  expect(await planRepair(deps(), insisting)).toMatchObject({
    repairs: [],
    refused: [{ slotId: audited.world.a }],
  })
})

test('what the plan did not show is not changed', async () => {
  await damage(`UPDATE slots SET confirmed = 4 WHERE id = '{a}'`)
  const { repairs } = await plan()
  await damage(`UPDATE reservations SET user_id = 'eve' WHERE id = '{first}'`)
  const before = await audited.findings()
  for (const repair of repairs)
    await expect(repairSlot(deps(), repair)).rejects.toThrow(/user_id would change too/)
  expect(await audited.findings()).toEqual(before)
})
