/** A booking in a world of its own: commands go in as the engine would hand them over. */
import {
  type BookingCommand,
  bookingIdSchema,
  type CommandOutcome,
  followUpId,
  mintId,
  type ReservationId,
  reservationIdSchema,
  type SlotId,
  slotIdSchema,
} from '@ironsys/contracts'
import { bookingBinding } from './binding.ts'
import { bookingDecider } from './decider.ts'
import { type Booking, type BookingEvent, DEFAULT_HOLD_TTL_MS, PENDING_MS } from './state.ts'

export const PARTITIONS = 12
export const noonMs = Date.parse('2026-06-01T12:00:00.123Z')
export const bookingId = bookingIdSchema.parse('bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb')
export const otherId = (name: string) => followUpId('booking', name)
export const strangeId = reservationIdSchema.parse(mintId('elsewhere', noonMs))
/** When the slots are over that answer with it. */
export const july1 = '2026-07-01T10:00:00.000Z'
export const july2 = '2026-07-02T10:00:00.000Z'

const binding = bookingBinding(PARTITIONS)

export interface Place {
  readonly slotId: SlotId
  readonly reservationId: ReservationId
  readonly quantity: number
}

/** The `index`-th slot and what is booked of it. */
export function place(index: number, quantity = 1): Place {
  const slotId = slotIdSchema.parse(`11111111-1111-4111-8111-${String(index).padStart(12, '0')}`)
  return { slotId, reservationId: reservationIdSchema.parse(mintId(slotId, noonMs)), quantity }
}

/** Reads a command as the log would give it: what is no command fails the test. */
export function command(fields: object): BookingCommand {
  const id = followUpId(JSON.stringify(fields))
  const read = bookingDecider.parse(Buffer.from(JSON.stringify({ v: 2, id, ...fields })))
  if ('unreadable' in read) throw new Error(read.detail)
  return read
}

export const book = (places: readonly Place[], fields: object = {}) =>
  command({
    type: 'book',
    id: bookingId,
    user_id: 'ann',
    items: places.map(({ slotId, reservationId, quantity }) => ({
      slot_id: slotId,
      reservation_id: reservationId,
      quantity,
    })),
    mode: 'confirm',
    ...fields,
  })

const ofBooking =
  (type: string) =>
  (fields: object = {}) =>
    command({ type, booking_id: bookingId, ...fields })
export const confirm = ofBooking('confirm_booking')
export const cancel = ofBooking('cancel_booking')
export const wake = ofBooking('wake_booking')
export const erase = (user_id: string, pseudonym: string) => ofBooking('erase_booker')({ user_id, pseudonym })
export const retire = (keep_days: number) => ofBooking('retire_booking')({ keep_days })
export const overdue = (reservation_id: string) => ofBooking('hold_overdue')({ reservation_id })
export const answer = ({ reservationId }: Place, code = 'held', slot_end_time: string | null = july1) =>
  ofBooking('item_decided')({ reservation_id: reservationId, code, slot_end_time })

export interface Answer {
  readonly outcome: CommandOutcome
  /** As in `Decided`. */
  readonly replyTo: string | null | undefined
  readonly events: readonly BookingEvent[]
  /** The commands that follow, as `type reservation-id`, in order. */
  readonly told: readonly string[]
}

export interface World {
  when(command: BookingCommand, atMs?: number): Answer
  booking(): Booking | null
}

/** Applies commands as the engine does: one step after the other, until there is an outcome. */
export function given(...commands: readonly BookingCommand[]): World {
  let header: Booking | null = null
  let seq = 0
  const when = (given: BookingCommand, atMs = noonMs): Answer => {
    const events: BookingEvent[] = []
    const told: string[] = []
    const apply = (event: BookingEvent): void => {
      header = bookingDecider.evolve({ header, row: undefined }, event, atMs).header
      events.push(event)
      const position = { seq: ++seq, version: header?.version ?? 0, atMs }
      for (const { value } of binding.followUps(bookingId, event, position)) {
        const { type, id, reservation_id } = JSON.parse(value)
        told.push(`${type} ${reservation_id ?? id}`)
      }
    }
    for (let steps = 0; ; steps++) {
      const view = { header, row: () => undefined, list: () => [], steps }
      const decision = bookingDecider.decide(view, given, atMs)
      const isStep = 'step' in decision
      for (const event of isStep ? decision.step : decision.events) apply(event)
      if (!isStep) return { outcome: decision.outcome, replyTo: decision.replyTo, events, told }
    }
  }
  for (const each of commands) when(each)
  return { when, booking: () => header }
}

export const tells = (type: 'reserve' | 'confirm' | 'cancel', ...places: readonly Place[]) =>
  places.map(({ reservationId }) => `${type} ${reservationId}`)

export const [seat, meal, ride] = [place(1, 2), place(2), place(3)]
export const both = [seat, meal]
export const pendingEndMs = noonMs + PENDING_MS
export const holdEndMs = noonMs + DEFAULT_HOLD_TTL_MS

/** Of two items, in each of its statuses. */
export const pending = (fields: object = {}) => given(book(both, fields))
export const held = () => given(book(both, { mode: 'hold' }), answer(seat), answer(meal))
export const confirmed = () => given(book(both), answer(seat), answer(meal))
export const rejected = () => given(book(both), answer(seat, 'sold-out'))
export const cancelled = () => given(book(both), cancel())
export const expired = () => {
  const world = held()
  world.when(wake(), holdEndMs)
  return world
}
