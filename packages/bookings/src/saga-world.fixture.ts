/**
 * Bookings and the slots they ask, joined by queues that a test empties in an order of its own: what is sent arrives at
 * least once, and from one sender to one receiver in order.
 */
import { type BookingId, bookingIdSchema, followUpId } from '@ironsys/contracts'
import { bookingBinding } from './binding.ts'
import { noonMs, PARTITIONS, type Place, place } from './booking-world.fixture.ts'
import { bookingDecider } from './decider.ts'
import { type Outbox, type SimpleSlot, send, simpleSlot } from './simple-slot.fixture.ts'
import type { Booking, BookingEvent } from './state.ts'

export interface Order {
  readonly mode: 'confirm' | 'hold'
  /** Units of each slot, 0 for none. */
  readonly units: readonly number[]
}

export interface Saga {
  readonly id: BookingId
  readonly mode: 'confirm' | 'hold'
  readonly places: readonly Place[]
  booking: Booking | null
  readonly outbox: Outbox<{ readonly slot: number; readonly value: string }>
  /** What the booking was each time that who asked for it was answered. */
  readonly replies: (Booking['status'] | undefined)[]
}

export type SagaWorld = ReturnType<typeof createSagaWorld>

export function createSagaWorld(capacities: readonly number[], orders: readonly Order[]) {
  const slots = capacities.map(simpleSlot)
  const sagas = orders.map(
    ({ mode, units }, index): Saga => ({
      id: bookingIdSchema.parse(followUpId('booking', String(index))),
      mode,
      places: units.flatMap((quantity, slot) => (quantity === 0 ? [] : [place(slot, quantity)])),
      booking: null,
      outbox: { sent: [], underWay: [] },
      replies: [],
    }),
  )
  let nowMs = noonMs
  return {
    slots,
    sagas,
    book: (saga: Saga): void => {
      const { id, mode, places } = saga
      const items = places.map(({ slotId, reservationId, quantity }) => ({
        slot_id: slotId,
        reservation_id: reservationId,
        quantity,
      }))
      decide(saga, { type: 'book', id, user_id: 'ann', items, mode, reply_to: id }, nowMs)
    },
    ask: (saga: Saga, type: 'confirm_booking' | 'cancel_booking' | 'wake_booking'): void =>
      decide(saga, { type, booking_id: saga.id }, nowMs),
    wait: (ms: number): void => {
      nowMs += ms
    },
    /** The next message of the booking reaches its slot's log. */
    carryToSlot: ({ outbox }: Saga): void => {
      const message = outbox.underWay.shift()
      if (message !== undefined) slots[message.slot]?.inbox.push(message.value)
    },
    /** The next answer of the slot reaches its booking. */
    carryToBooking: ({ outbox }: SimpleSlot): void => {
      const answer = outbox.underWay.shift()
      const saga = sagas.find(({ id }) => id === answer?.booking_id)
      if (answer !== undefined && saga !== undefined) decide(saga, answer, nowMs)
    },
    /** A sender that crashed begins again, up to `count` messages before the first that had not arrived. */
    resend: ({ outbox: { sent, underWay } }: { readonly outbox: Outbox<object> }, count: number): void => {
      underWay.splice(0, underWay.length, ...sent.slice(Math.max(0, sent.length - underWay.length - count)))
    },
  }
}

/** As the engine does it: one step after the other, until there is an outcome. */
function decide(saga: Saga, fields: object, atMs: number): void {
  const value = JSON.stringify({ v: 2, id: followUpId(JSON.stringify(fields)), ...fields })
  const command = bookingDecider.parse(Buffer.from(value))
  if ('unreadable' in command) throw new Error(command.detail)
  for (let steps = 0; ; steps++) {
    const view = { header: saga.booking, row: () => undefined, list: () => [], steps }
    const decision = bookingDecider.decide(view, command, atMs)
    for (const event of 'step' in decision ? decision.step : decision.events) apply(saga, event, atMs)
    if ('step' in decision) continue
    const to = decision.replyTo === undefined ? command.reply_to : decision.replyTo
    if (to === saga.id) saga.replies.push(saga.booking?.status)
    return
  }
}

function apply(saga: Saga, event: BookingEvent, atMs: number): void {
  const after = bookingDecider.evolve({ header: saga.booking, row: undefined }, event, atMs).header
  requireStep(saga.booking, after)
  saga.booking = after
  const position = { seq: saga.outbox.sent.length, version: after?.version ?? 0, atMs }
  for (const { value } of bookingBinding(PARTITIONS).followUps(saga.id, event, position)) {
    const { id, reservation_id = id } = JSON.parse(value)
    const asked = saga.places.find(({ reservationId }) => reservationId === reservation_id)
    if (asked === undefined) throw new Error(`${value} is about nothing of the booking`)
    send(saga.outbox, { slot: slotIndex(asked), value })
  }
}

export function slotIndex({ slotId }: Place): number {
  return Number(slotId.slice(-12))
}

const paths = new Set([
  'pending held',
  'pending confirmed',
  'pending rejected',
  'pending cancelled',
  'held confirmed',
  'held expired',
  'held cancelled',
  'confirmed cancelled',
])

/** A change is one version, and no status comes out of an end. */
function requireStep(before: Booking | null, after: Booking | null): void {
  if (before === null || after === null) return
  const isPath = before.status === after.status || paths.has(`${before.status} ${after.status}`)
  if (!isPath) throw new Error(`a ${before.status} booking became ${after.status}`)
  const versions = after.version - before.version
  if (versions !== (after === before ? 0 : 1)) throw new Error(`an event took ${versions} versions`)
}
