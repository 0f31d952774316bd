/** What was accepted and left no trace of its own, and what is not there because it was retired. */
import { randomUUID } from 'node:crypto'
import { topics } from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import { runAudit } from './audit.ts'
import { useWorld } from './audited-world.fixture.ts'
import { createSlot, liveOn, reserveAt } from './life.fixture.ts'
import type { LogSource } from './log-source.ts'

const audited = useWorld(liveOn)
const only = ['outcomes'] as const

const damage = (sql: string) => audited.world.pool.query(audited.filled(sql))
const said = async () => (await audited.findings({ only })).map((line) => line.replace(/^.*offset \d+: /, ''))

test.each([
  [
    'a confirmation lost',
    `UPDATE reservations SET status = 'held', expires_at = now(), transitions = NULL WHERE id = '{sold}'`,
    'reservation {sold} was confirmed, but is held',
  ],
  [
    'an erasure lost',
    `UPDATE reservations SET user_id = 'bob' WHERE id = '{sold}'`,
    'reservation {sold} was erased, but names the person',
  ],
  [
    'a waiter lost',
    `DELETE FROM reservations WHERE id = '{waiting}'`,
    'reservation {waiting} was accepted, but has no outcome: no reservation, no dead letter',
  ],
  [
    'a booking lost',
    `DELETE FROM bookings WHERE id = '{booking}'`,
    'booking {booking} was accepted, but has no outcome: no booking, no dead letter',
  ],
  [
    'the answer of a slot lost',
    `UPDATE booking_items SET status = 'asked' WHERE reservation_id = '{bookedHold}';
     UPDATE bookings SET status = 'pending' WHERE id = '{heldBooking}'`,
    'booking {heldBooking} has heard of reservation {bookedHold}, but waits for it',
  ],
])('%s is named', async (_what, sql, expected) => {
  expect(await said()).toEqual([])
  await damage(sql)
  expect(await said()).toEqual([audited.filled(expected)])
})

test('a cancel that came before a late confirmation was none', async () => {
  const { world } = audited
  const [id, slot_id] = [audited.filled('{short}'), audited.filled('{c}')]
  const ask = (type: string, more: object = {}) =>
    world.writer.apply(slot_id, { v: 2, type, id: randomUUID(), reservation_id: id, ...more })
  await ask('cancel')
  await ask('cancel', { caller: 'mallory' })
  await world.writer.apply(slot_id, { v: 2, type: 'update_slot', id: randomUUID(), slot_id, capacity: 9 })
  // Of the three units that are new joe gets all; the next two are for who was late.
  await world.writer.apply(slot_id, { v: 2, type: 'update_slot', id: randomUUID(), slot_id, capacity: 11 })
  await ask('confirm', { late: 'rehold' })
  const stored = `SELECT status FROM reservations WHERE id = '${id}'`
  expect((await world.pool.query(stored)).rows).toEqual([{ status: 'confirmed' }])
  expect(await audited.findings()).toEqual([])
})

describe('a slot long over', () => {
  const days = (count: number) => new Date(Date.now() - count * 24 * 3600 * 1000).toISOString()
  const made = async () => {
    const id = randomUUID()
    await createSlot(audited.world, id, { start_time: days(20), end_time: days(10) })
    await reserveAt(audited.world, id, 'ann', 1)
    await reserveAt(audited.world, id, 'bob', 11)
    return id
  }
  const retire = (id: string) => ({ v: 2, type: 'retire_slot', id: randomUUID(), slot_id: id, keep_days: 8 })

  test('that was retired owes nothing any more', async () => {
    const id = await made()
    await audited.world.writer.apply(id, retire(id))
    expect((await audited.world.pool.query('SELECT FROM slots WHERE id = $1', [id])).rowCount).toBe(0)
    expect(await audited.findings()).toEqual([])
    // Later than that it is owed again.
    const late = await reserveAt(audited.world, id, 'eve', 1)
    expect(await audited.findings()).toEqual([])
    await damage(`DELETE FROM reservations WHERE id = '${late}'`)
    expect(await said()).toEqual([
      `reservation ${late} was accepted, but has no outcome: no reservation, no dead letter`,
    ])
  })

  test('that is retired while the audit reads owes nothing either', async () => {
    const { world } = audited
    const id = await made()
    let reads = 0
    const log: LogSource = {
      ...world.log,
      read: async (topic, ranges, handle) => {
        // After the fences and the log's bounds were looked at.
        if (topic === topics.reservationCommands && reads++ === 0) await world.writer.apply(id, retire(id))
        await world.log.read(topic, ranges, handle)
      },
    }
    expect(await runAudit({ ...world, log, nowMs: () => 0 }, { only })).toMatchObject({
      findings: [],
      complete: true,
    })
    expect(reads).toBeGreaterThan(1)
  })

  test('that came back is named', async () => {
    const id = await made()
    await damage('CREATE TABLE kept AS TABLE slots')
    await audited.world.writer.apply(id, retire(id))
    const columns =
      'id, version, epoch, partition, start_time, end_time, capacity, overbooking_bps, held, confirmed, status, name, body_hash, created_at'
    await damage(`INSERT INTO slots (${columns}) SELECT ${columns} FROM kept WHERE id = '${id}'`)
    expect(await said()).toContain(`slot ${id} was retired, but is stored`)
  })

  test('is none where somebody removed it by hand', async () => {
    for (const table of ['slots WHERE id', 'reservations WHERE slot_id', 'slot_ledger WHERE slot_id'])
      await damage(`DELETE FROM ${table} = '{c}'`)
    const lost = await said()
    expect(lost).toContain(
      audited.filled('slot {c} was accepted, but has no outcome: no slot, no dead letter'),
    )
    expect(lost).toContain(
      audited.filled('reservation {held} was accepted, but has no outcome: no reservation, no dead letter'),
    )
  })
})
