/** State is made again from the ledger, snapshots from state, the writer is fenced, and nothing else is touched. */
import { redisNames } from '@ironsys/contracts'
import { FencedError } from '@ironsys/engine'
import { expect, test, vi } from 'vitest'
import { useWorld } from './audited-world.fixture.ts'
import { readConsistently } from './consistent-read.ts'
import { foldLedger } from './derive.ts'
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
    `UPDATE slots SET confirmed = 4, version = 5, name = 'Slot {a}', capacity = 10 WHERE id = '{a}'`,
  )
  await damage(`UPDATE reservations SET status = 'confirmed', transitions = NULL WHERE id = '{cancelled}'`)
  await damage(`UPDATE reservations SET slot_version = 9 WHERE id = '{first}'`)
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
  const listener = redis.duplicate({ enableOfflineQueue: true })
  const announced: unknown[] = []
  listener.on('message', (_channel: string, text: string) => announced.push(...JSON.parse(text)))
  await listener.subscribe(redisNames.snapshots)
  const repaired = await repairAll()
  const documents = [a, b].map((key) => expect.objectContaining({ key, document: expect.anything() }))
  await vi
    .waitFor(() => expect(announced).toEqual(expect.arrayContaining(documents)), 5000)
    .finally(() => listener.disconnect())
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

test.each([
  [
    'whose buyer',
    `UPDATE slot_ledger SET event = jsonb_set(event, '{userId}', '"mallory"') WHERE version = 3`,
  ],
  [
    'whose units and their event',
    `UPDATE slot_ledger SET event = jsonb_set(event, '{quantity}', '5'), confirmed_delta = 5 WHERE version = 3`,
  ],
  [
    'whose newest change',
    `UPDATE slot_ledger SET event = jsonb_set(event, '{capacityUnits}', '99'), capacity = 99 WHERE version = 6`,
  ],
  [
    'whose metadata of the slot',
    `UPDATE slot_ledger SET event = jsonb_set(event, '{slot,metadata}', '{"x": 1}') WHERE version = 1`,
  ],
  ['the time of whose cancel', `UPDATE slot_ledger SET at = at + interval '1 ms' WHERE version = 5`],
])('a ledger %s was changed overwrites nothing', async (_what, sql) => {
  await damage(`${sql} AND slot_id = '{a}'`)
  const { findings } = await audited.audit()
  expect(findings).not.toEqual([])
  expect(findings.filter(({ repairable }) => repairable !== null)).toEqual([])
  const insisting = findings.map((finding) => ({ ...finding, repairable: 'state' as const }))
  expect(await planRepair(deps(), insisting)).toMatchObject({
    repairs: [],
    refused: [{ slotId: audited.world.a, reason: expect.stringContaining('which of them is right') }],
  })
})

test('what was decided since is folded onto what was folded before, up to a bound', async () => {
  const { a, first, pool, writer } = audited.world
  const fold = (...rest: [before?: Awaited<ReturnType<typeof foldLedger>>, entriesMax?: number]) =>
    readConsistently(pool, 5000, (query) => foldLedger(query, a, ...rest))
  const before = await fold()
  await writer.apply(a, { v: 1, type: 'cancel', id: crypto.randomUUID(), reservation_id: first })
  const command = { v: 1, type: 'update_slot', id: crypto.randomUUID(), slot_id: a, name: 'Again' }
  await writer.apply(a, command)
  expect(before.reservations.get(first)).toMatchObject({ status: 'confirmed' })
  expect(await fold(before)).toEqual(await fold())
  await expect(fold(before, 1)).rejects.toThrow('too much was decided meanwhile')
})

test('a repair never moves the shared sequence of epochs back', async () => {
  const { a, pool } = audited.world
  await damage(`UPDATE slots SET confirmed = 4 WHERE id = '{a}'`)
  await pool.query(`SELECT setval('epochs', 1000)`)
  await audited.world.putSnapshot(a, (slot) => ({ ...slot, version: 99 }), 50)
  const [repaired] = await repairAll()
  expect(repaired?.epoch).toBe(1001)
  const { rows } = await pool.query(`SELECT last_value::int FROM epochs`)
  expect(rows).toEqual([{ last_value: 1001 }])
})

test('what the plan did not show is not changed', async () => {
  await damage(`UPDATE slots SET confirmed = 4 WHERE id = '{a}'`)
  const { repairs } = await plan()
  await damage(`UPDATE reservations SET slot_version = 9 WHERE id = '{first}'`)
  const before = await audited.findings()
  for (const repair of repairs)
    await expect(repairSlot(deps(), repair)).rejects.toThrow(/slot_version would change too/)
  expect(await audited.findings()).toEqual(before)
})
