/** A third slot beside those of {@link createWorld}: with holds, a line, a limit per user, an erasure, and two bookings. */
import { randomUUID } from 'node:crypto'
import { mintId } from '@ironsys/contracts'
import { FIRST_MS, hashOf, type World } from './world.fixture.ts'

/**
 * Slot `c` has six units, of which `held` has two, `sold` two (whoever bought them is erased), `promoted` one since
 * `short` expired, and `booking` one (`booked`); `waiting` waits for three. `heldBooking` holds one of slot `b`
 * (`bookedHold`), beside the one that `booking` has there (`bookedToo`).
 */
export async function liveOn(world: World) {
  const { writer, log, b } = world
  const c = randomUUID()
  await createSlot(world, c, {
    ...{ capacity: 6, hold_ttl_seconds: 7200, max_per_user: 4, waitlist: true },
  })
  const reserve = (user_id: string, quantity: number, more: object = {}) =>
    reserveAt(world, c, user_id, quantity, more)
  const held = await reserve('ann', 2, { metadata: { seat: 'A1' }, body_hash: hashOf('held') })
  const sold = await reserve('bob', 2, { metadata: { seat: 'A2' }, body_hash: hashOf('sold') })
  await writer.apply(c, { v: 2, type: 'confirm', id: randomUUID(), reservation_id: sold })
  const short = await reserve('eve', 2, { hold_ttl_seconds: 5 })
  const promoted = await reserve('dan', 1, { join_waitlist: true })
  log.pass(10)
  await writer.apply(c, { v: 2, type: 'wake_slot', id: randomUUID(), slot_id: c })
  const waiting = await reserve('joe', 3, { join_waitlist: true })
  const eraseId = randomUUID()
  await writer.apply(c, {
    ...{ v: 2, type: 'erase_person', id: eraseId, slot_id: c, reservation_ids: [sold] },
    ...{ user_id: 'bob', pseudonym: 'nobody' },
  })
  const booked = mintId(c, FIRST_MS)
  const bookedToo = mintId(b, FIRST_MS)
  const booking = await book(world, 'confirm', [
    { slot_id: c, reservation_id: booked, quantity: 1 },
    { slot_id: b, reservation_id: bookedToo, quantity: 1 },
  ])
  const bookedHold = mintId(b, FIRST_MS)
  const heldBooking = await book(world, 'hold', [{ slot_id: b, reservation_id: bookedHold, quantity: 1 }])
  return { c, held, sold, short, promoted, waiting, booked, bookedToo, booking, bookedHold, heldBooking }
}

/** Answers the booking's id. */
export async function book(
  { writer }: World,
  mode: 'hold' | 'confirm',
  items: readonly { readonly slot_id: string; readonly reservation_id: string; readonly quantity: number }[],
): Promise<string> {
  const id = randomUUID()
  const ttl = mode === 'hold' ? { hold_ttl_seconds: 7200 } : {}
  await writer.book(id, { v: 2, type: 'book', id, user_id: 'zoe', mode, items, ...ttl })
  return id
}

export async function reserveAt(
  { writer }: World,
  slotId: string,
  user_id: string,
  quantity: number,
  more: object = {},
): Promise<string> {
  const id = mintId(slotId, FIRST_MS)
  await writer.apply(slotId, { v: 2, type: 'reserve', id, slot_id: slotId, user_id, quantity, ...more })
  return id
}

export async function createSlot({ writer }: World, id: string, more: object = {}): Promise<void> {
  await writer.apply(id, {
    ...{ v: 2, type: 'create_slot', id, name: `Slot ${id}`, start_time: '2030-01-01T00:00:00Z' },
    ...{ end_time: '2030-01-01T01:00:00Z', capacity: 10, overbooking_bps: 0, sales_open_at: null },
    ...{ sales_close_at: null, body_hash: hashOf(id), ...more },
  })
}
