/** What the tests of `replay` look at: three slots as they always were, and one with holds, a line and an erasure. */
import {
  createSlotCommandSchema,
  mintId,
  type ReservationCommand,
  reservationCommandSchema,
  reservationIdSchema,
  type SlotId,
  slotIdSchema,
} from '@ironsys/contracts'
import type { Pool } from '@ironsys/postgres'
import { z } from 'zod'
import { decideAndCommit, logTimeMs } from './replay.fixture.ts'
import { PAGE_ENTRIES } from './replay.ts'

export const slotId = (digit: string) => slotIdSchema.parse(`${digit.repeat(8)}-1111-4111-8111-111111111111`)
export const [small, large, busy, lively] = [slotId('1'), slotId('2'), slotId('3'), slotId('4')]
export const newId = (slot: string) => reservationIdSchema.parse(mintId(slot, Date.UTC(2026, 5, 1)))
export const [first, second, refused] = [newId(small), newId(small), newId(small)]
export const [held, sold, gone] = [newId(lively), newId(lively), newId(lively)]
export const [waiting, promoted] = [newId(lively), newId(lively)]

/** Versions of the small slot: 1 created, 2 and 3 confirmed, 4 updated, 5 cancelled. */
export async function fillDatabase(pool: Pool): Promise<void> {
  await decideAndCommit(pool, [createSlot(small), createSlot(large), createSlot(busy)])
  await decideAndCommit(pool, [
    reserve(first, 2),
    reserve(second, 3, { metadata: { seat: 'A1', price: 12.5 } }),
    reserve(refused, 10_000),
    update({ name: 'Evening', capacity: 50 }),
  ])
  await decideAndCommit(pool, [{ v: 1, type: 'cancel', id: newId(small), reservation_id: first }])
  await liveOn(pool)
  // More than a page, so that cancels find what an earlier page confirmed.
  const many = Array.from({ length: PAGE_ENTRIES }, () => newId(large))
  await decideAndCommit(
    pool,
    many.map((id) => reserve(id, 1, { slot_id: large })),
  )
  await decideAndCommit(
    pool,
    many.slice(0, 500).map((id) => ({ v: 1, type: 'cancel', id: newId(large), reservation_id: id })),
  )
}

/** Holds of four units, one of which runs out; two in line for it; somebody is erased. Its slot has 11 versions. */
async function liveOn(pool: Pool): Promise<void> {
  const at = (commands: readonly object[], seconds: number) =>
    decideAndCommit(
      pool,
      commands.map((command) => reservationCommandSchema.parse({ v: 2, id: newId(lively), ...command })),
      logTimeMs + seconds * 1000,
    )
  const hold = (id: string, quantity: number, more: object = {}) => ({
    ...{ type: 'reserve', id, slot_id: lively, user_id: 'bob', quantity, mode: 'hold' },
    ...{ join_waitlist: true, metadata: { seat: 7 }, body_hash: 'c'.repeat(32), ...more },
  })
  await decideAndCommit(pool, [createSlot(lively, { capacity: 4, waitlist: true, max_per_user: 10 })])
  await at([hold(held, 1, { user_id: 'ann' }), hold(sold, 1), hold(gone, 2, { hold_ttl_seconds: 5 })], 1)
  await at([hold(waiting, 4), hold(promoted, 2), { type: 'confirm', reservation_id: sold }], 2)
  await at([{ type: 'wake_slot', slot_id: lively }], 10)
  const erase = { type: 'erase_person', slot_id: lively, reservation_ids: [sold, gone] }
  await at([{ ...erase, user_id: 'bob', pseudonym: 'nobody' }], 11)
}

const createSlot = (id: SlotId, more: object = {}): ReservationCommand =>
  createSlotCommandSchema.parse({
    v: 1,
    type: 'create_slot',
    id,
    name: 'Morning',
    start_time: '2026-07-01T09:00:00.000Z',
    end_time: '2026-07-01T10:00:00.000Z',
    capacity: 5000,
    overbooking_bps: 0,
    sales_open_at: null,
    sales_close_at: '2026-06-30T00:00:00.123Z',
    metadata: { floor: 3 },
    body_hash: 'a'.repeat(32),
    ...more,
  })
export const reserve = (id: string, quantity: number, more: object = {}) =>
  ({ v: 1, type: 'reserve', id, slot_id: small, user_id: 'ann', quantity, ...more }) as ReservationCommand
const update = (fields: object) =>
  ({ v: 1, type: 'update_slot', id: newId(small), slot_id: small, ...fields }) as ReservationCommand

/** What `--json` says. */
export const reportSchema = z.object({
  equal: z.boolean(),
  ledger_entries: z.int(),
  slots: z.int(),
  reservations: z.int(),
  difference_count: z.int(),
  differences: z.array(z.record(z.string(), z.string().nullable())),
  kept_schema: z.string().nullable(),
})
