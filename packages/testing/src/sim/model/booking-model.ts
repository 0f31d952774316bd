/** Bookings, decided a second time. A booking is alone in its decisions, so that every event can be told beforehand. */
export type BookingCommand =
  | {
      readonly type: 'book'
      readonly id: string
      readonly bookingId: string
      readonly user: string
      readonly mode: 'confirm' | 'hold'
      readonly holdTtlMs: number | null
      readonly items: readonly BookedItem[]
      readonly hash: string
    }
  | {
      readonly type: 'confirm_booking' | 'cancel_booking'
      readonly id: string
      readonly bookingId: string
      readonly caller: string | null
    }
  | {
      readonly type: 'item_decided'
      readonly id: string
      readonly bookingId: string
      readonly reservationId: string
      readonly code: string
    }
  | {
      readonly type: 'hold_overdue'
      readonly id: string
      readonly bookingId: string
      readonly reservationId: string
    }
  | { readonly type: 'wake_booking'; readonly id: string; readonly bookingId: string }

export interface BookedItem {
  readonly slotId: string
  readonly reservationId: string
  readonly quantity: number
}

export type BookingMeaning =
  | { readonly kind: 'command'; readonly command: BookingCommand }
  | { readonly kind: 'poison'; readonly code: 'malformed' }

export interface ModelBooking {
  readonly user: string
  readonly mode: 'confirm' | 'hold'
  readonly holdTtlMs: number | null
  readonly hash: string
  readonly items: readonly BookedItem[]
  readonly held: Set<string>
  status: 'pending' | 'held' | 'confirmed' | 'rejected' | 'cancelled' | 'expired'
  reason: string | null
  deadlineMs: number | null
  /** What whoever waits for it may be told. */
  readonly ends: BookingDecision[]
}

/** What a command leads to: its outcome, its events, and what slots are told after each. */
export interface BookingDecision {
  readonly code: string
  readonly status: ModelBooking['status'] | null
}

/** An event, and the commands that follow from it: `type` and reservation. */
export interface ExpectedEvent {
  readonly type: string
  readonly tells: readonly string[]
}

const PENDING_MS = 60_000
const HOLD_MS = 600_000

export class BookingModel {
  readonly bookings = new Map<string, ModelBooking>()

  /** The deadline, if it has come: that goes before any command. */
  pass(bookingId: string, atMs: number): readonly ExpectedEvent[] {
    const booking = this.bookings.get(bookingId)
    if (booking === undefined || booking.deadlineMs === null || booking.deadlineMs > atMs) return []
    if (booking.status === 'held') return [end(booking, 'expired', null)]
    return [end(booking, 'rejected', 'booking-timed-out')]
  }

  /** Decides after what {@link pass} does; `events` gets what happens. */
  apply(command: BookingCommand, atMs: number, events: ExpectedEvent[]): BookingDecision {
    const booking = this.bookings.get(command.bookingId)
    if (command.type === 'book') {
      if (booking === undefined) return this.#book(command, atMs, events)
      return booking.hash === command.hash ? today(booking) : { code: 'idempotency-key-reused', status: null }
    }
    if (command.type === 'hold_overdue') {
      const answer = overdueAnswer(booking, command.reservationId)
      if (answer !== null) {
        events.push({ type: 'overdue_answered', tells: [`${answer} ${command.reservationId}`] })
      }
    }
    if (booking === undefined) return { code: 'booking-not-found', status: null }
    switch (command.type) {
      case 'confirm_booking':
      case 'cancel_booking':
        if (command.caller !== null && command.caller !== booking.user) {
          return { code: 'booking-not-found', status: null }
        }
        return command.type === 'confirm_booking' ? confirm(booking, events) : cancel(booking, events)
      case 'item_decided':
        answered(booking, command, atMs, events)
        return today(booking)
      case 'hold_overdue':
      case 'wake_booking':
        return today(booking)
    }
  }

  #book(
    { bookingId, user, mode, holdTtlMs, items, hash }: Extract<BookingCommand, { type: 'book' }>,
    atMs: number,
    events: ExpectedEvent[],
  ): BookingDecision {
    const fresh = { held: new Set<string>(), status: 'pending', reason: null } as const
    const deadlineMs = atMs + PENDING_MS
    this.bookings.set(bookingId, { user, mode, holdTtlMs, items, hash, deadlineMs, ...fresh, ends: [] })
    const tells = items.map(({ reservationId }) => `reserve ${reservationId}`)
    events.push({ type: 'booking_requested', tells })
    // Nobody is answered before the slots have.
    return { code: 'nothing yet', status: null }
  }
}

function answered(
  booking: ModelBooking,
  { reservationId, code }: Extract<BookingCommand, { type: 'item_decided' }>,
  atMs: number,
  events: ExpectedEvent[],
): void {
  const { items, held, mode, holdTtlMs } = booking
  const isAsked = items.some((item) => item.reservationId === reservationId) && !held.has(reservationId)
  if (booking.status !== 'pending' || !isAsked) return
  if (code !== 'held') {
    events.push(end(booking, 'rejected', code, reservationId))
    return
  }
  held.add(reservationId)
  events.push({ type: 'item_held', tells: [] })
  if (held.size < items.length) return
  if (mode === 'confirm') events.push(agree(booking))
  else {
    booking.status = 'held'
    booking.deadlineMs = atMs + (holdTtlMs ?? HOLD_MS)
    booking.ends.push(today(booking))
    events.push({ type: 'booking_held', tells: [] })
  }
}

function confirm(booking: ModelBooking, events: ExpectedEvent[]): BookingDecision {
  if (booking.status === 'held') events.push(agree(booking))
  else if (booking.status === 'expired') return { code: 'hold-expired', status: booking.status }
  else if (booking.status !== 'confirmed') return { code: 'not-confirmable', status: booking.status }
  return today(booking)
}

function cancel(booking: ModelBooking, events: ExpectedEvent[]): BookingDecision {
  const { status } = booking
  if (status === 'rejected' || status === 'expired') return { code: 'not-cancellable', status }
  if (status !== 'cancelled') events.push(end(booking, 'cancelled', null))
  return today(booking)
}

function agree(booking: ModelBooking): ExpectedEvent {
  booking.status = 'confirmed'
  booking.deadlineMs = null
  booking.ends.push(today(booking))
  return { type: 'booking_confirmed', tells: booking.items.map((item) => `confirm ${item.reservationId}`) }
}

/** Every slot that may hold something is told, but not the one that has refused. */
function end(
  booking: ModelBooking,
  status: 'rejected' | 'cancelled' | 'expired',
  reason: string | null,
  refused?: string,
): ExpectedEvent {
  booking.status = status
  booking.reason = reason
  booking.deadlineMs = null
  booking.ends.push(today(booking))
  const released = booking.items.filter((item) => item.reservationId !== refused)
  return { type: `booking_${status}`, tells: released.map((item) => `cancel ${item.reservationId}`) }
}

function overdueAnswer(booking: ModelBooking | undefined, reservationId: string): string | null {
  if (booking?.items.some((item) => item.reservationId === reservationId) !== true) return 'cancel'
  if (booking.status === 'pending' || booking.status === 'held') return null
  return booking.status === 'confirmed' ? 'confirm' : 'cancel'
}

function today({ status, reason }: ModelBooking): BookingDecision {
  return { code: reason ?? 'ok', status }
}
