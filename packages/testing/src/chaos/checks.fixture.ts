/** A small history and the facts that agree with it, for tests that break one thing of it. */
import { topics } from '@ironsys/contracts'
import type { BookingFact, EventFact, Facts, LedgerFact, ReservationFact, SlotFact } from './facts.ts'
import type { Answer, DocumentRead, History, Intent, Operation, SlotRules, Told } from './history.ts'
import type { LifeStep } from './lives.ts'

const SLOT = 'slot'
const QUANTITY = 2
const rules: SlotRules = { capacity: 5, holdTtlSeconds: null, maxPerUser: 4, waitlist: true }

/** Version n came at n seconds. */
function entry(
  version: number,
  type: string,
  reservationId: string | null,
  [heldDelta, confirmedDelta]: readonly [number, number] = [0, 0],
  name: string | null = null,
): LedgerFact {
  const capacity = version < 5 ? rules.capacity : 6
  const plain = { slotId: SLOT, atMs: version * 1000, capacity, overbookingBps: 0, name }
  return { ...plain, version, type, reservationId, heldDelta, confirmedDelta }
}

function event(seq: number, entryOf: Pick<EventFact, 'type' | 'version' | 'reservationId'>): EventFact {
  return { offset: seq - 1, seq, key: SLOT, text: `event ${seq}`, ...entryOf }
}

function reservation(id: string, life: readonly LifeStep[], slotVersion: number): ReservationFact {
  const status = life.at(-1)?.status ?? ''
  const plain = { slotId: SLOT, quantity: QUANTITY, bookingId: null, reason: null }
  return { ...plain, id, name: `request-${id}`, userId: `user-${id}`, status, slotVersion, life }
}

export function accepted(id: string): Answer {
  return { type: 'accepted', id, status: 202, code: '' }
}

export function told(life: string, slotVersion: number | null): Told {
  const status = life.split(' ').at(-1)?.split('@')[0] ?? ''
  return { status, life, quantity: slotVersion === null ? null : QUANTITY, slotVersion }
}

export function decided(id: string, document: Told | null = null): Answer {
  return { type: 'decided', id, decision: { code: 'ok', document }, status: 201, code: '' }
}

export function denied(id: string, code: string): Answer {
  return { type: 'decided', id, decision: { code, document: null }, status: 409, code }
}

export const nobody: Answer = { type: 'unknown', status: 0, code: 'ECONNRESET' }
export const refused: Answer = { type: 'refused', status: 503, code: 'log-unavailable' }

function asked(intent: Intent, key: string | null, ...answers: Answer[]): Operation {
  return { phase: 'load', intent, key, answers }
}

function reserve(id: string, ...answers: Answer[]): Operation {
  const what = { slotId: SLOT, name: `request-${id}`, userId: `user-${id}`, quantity: QUANTITY }
  const intent = { type: 'reserve', ...what, holdTtlSeconds: null, joinWaitlist: id === 'w' } as const
  return asked(intent, `key-${id}`, ...answers)
}

/**
 * Of a slot of 5: `a` is confirmed, `b` confirmed and cancelled, `c` sold out, and the slot resized to 6. Then `h` is held,
 * expires and is confirmed late, the booking `k` gets its one reservation `p`, and `w` waits.
 */
export const goodHistory: History = {
  operations: [
    asked({ type: 'create_slot', name: 'made', rules }, 'key-made', decided(SLOT)),
    reserve('a', nobody, decided('a', told('confirmed@2000', 2))),
    reserve('b', accepted('b'), decided('b', told('confirmed@3000', 3))),
    reserve('c', denied('c', 'sold-out')),
    reserve('d', refused),
    reserve('e', nobody),
    asked(
      { type: 'cancel', reservationId: 'b' },
      null,
      decided('b', told('confirmed@3000 cancelled@4000', 4)),
    ),
    {
      phase: 'rolling',
      intent: {
        type: 'update_slot',
        slotId: SLOT,
        name: 'resized',
        change: { capacity: 6 },
        mayBeRefused: false,
      },
      key: null,
      answers: [accepted(SLOT)],
    },
    reserve('h', decided('h', told('held@6000', 6))),
    asked({ type: 'confirm', reservationId: 'h', late: null }, null, denied('h', 'hold-expired')),
    asked(
      { type: 'confirm', reservationId: 'h', late: 'rehold' },
      null,
      decided('h', told('held@6000 expired@7000 confirmed@8000', 8)),
    ),
    asked(
      {
        type: 'book',
        userId: 'booker',
        items: [1, 1].map((quantity) => ({ slotId: SLOT, quantity })),
        holdTtlSeconds: null,
      },
      'key-booker',
      decided('k', told('pending@8500 confirmed@10500', null)),
    ),
    reserve('w', decided('w', told('waitlisted@10000', 10))),
  ],
  slotReads: [read(3, 4, 5, 0), read(5, 2, 6, 10)],
  documentReads: [
    readOf('b', told('confirmed@3000', 3)),
    readOf('c', told('rejected@3500', 3)),
    readOf('k', told('pending@8500 confirmed@10500', null)),
  ],
}

export function read(version: number, reservedUnits: number, capacityUnits: number, sentMs: number) {
  const plain = { life: 'api-1.1', slotId: SLOT, epoch: 1 }
  return { ...plain, version, reservedUnits, capacityUnits, sentMs, answeredMs: sentMs + 1 }
}

export function readOf(id: string, document: Told): DocumentRead {
  return { id, told: document }
}

const slot: SlotFact = {
  id: SLOT,
  name: 'resized',
  version: 11,
  capacity: 6,
  overbookingBps: 0,
  held: 0,
  confirmed: 6,
  maxPerUser: 4,
  waitlistCount: 1,
}

const booking: BookingFact = {
  id: 'k',
  version: 3,
  userId: 'booker',
  status: 'confirmed',
  reason: null,
  life: [
    { status: 'pending', atMs: 8500 },
    { status: 'confirmed', atMs: 10_500 },
  ],
  items: [{ slotId: SLOT, quantity: QUANTITY, reservationId: 'p' }],
}

const ledger: readonly LedgerFact[] = [
  entry(1, 'slot_created', null, [0, 0], 'made'),
  entry(2, 'reservation_confirmed', 'a', [0, 2]),
  entry(3, 'reservation_confirmed', 'b', [0, 2]),
  entry(4, 'reservation_cancelled', 'b', [0, -2]),
  entry(5, 'slot_updated', null, [0, 0], 'resized'),
  entry(6, 'reservation_held', 'h', [2, 0]),
  entry(7, 'hold_expired', 'h', [-2, 0]),
  entry(8, 'expired_reconfirmed', 'h', [0, 2]),
  entry(9, 'reservation_held', 'p', [2, 0]),
  entry(10, 'reservation_waitlisted', 'w'),
  entry(11, 'hold_confirmed', 'p', [-2, 2]),
]

const [first, second, third, ...later] = ledger.map(({ type, version, reservationId }) => {
  return { type, version, reservationId }
})
const rejection = { type: 'reservation_rejected', version: 3, reservationId: 'c' }
const lateRefusal = { type: 'late_confirmation_refused', version: 7, reservationId: 'h' }
/** Sent again, as after a crash before it was known to be sent. */
const repeats = [second, third].flatMap((each, at) => (each === undefined ? [] : [event(at + 2, each)]))
const stories = [first, second, third, rejection, ...later, lateRefusal]
const events = stories.flatMap((each, at) => (each === undefined ? [] : [event(at + 1, each)]))

const life = (...steps: readonly (readonly [string, number])[]): readonly LifeStep[] =>
  steps.map(([status, atMs]) => ({ status, atMs }))

export const goodFacts: Facts = {
  slots: [slot],
  reservations: [
    reservation('a', life(['confirmed', 2000]), 2),
    reservation('b', life(['confirmed', 3000], ['cancelled', 4000]), 4),
    { ...reservation('c', life(['rejected', 3500]), 3), reason: 'sold-out' },
    reservation('h', life(['held', 6000], ['expired', 7000], ['confirmed', 8000]), 8),
    {
      ...reservation('p', life(['held', 9000], ['confirmed', 11_000]), 11),
      name: null,
      bookingId: 'k',
      userId: 'booker',
    },
    reservation('w', life(['waitlisted', 10_000]), 10),
  ],
  bookings: [booking],
  ledger,
  partitions: [
    {
      topic: topics.reservationCommands,
      partition: 0,
      nextOffset: 9,
      logEnd: 9,
      eventSeq: 13,
      outboxSegments: 0,
      events: [...events.slice(0, 3), ...repeats, ...events.slice(3)],
    },
    {
      topic: topics.bookingCommands,
      partition: 0,
      nextOffset: 2,
      logEnd: 2,
      eventSeq: 3,
      outboxSegments: 0,
      events: ['booking_requested', 'item_held', 'booking_confirmed'].map((type, at) => ({
        ...event(at + 1, { type, version: at + 1, reservationId: type === 'item_held' ? 'p' : null }),
        key: 'k',
      })),
    },
  ],
  deadLetters: [],
  snapshots: [{ source: 'redis', slotId: SLOT, version: 11, reservedUnits: 6, capacityUnits: 6 }],
}
