/** A small history and the facts that agree with it, for tests that break one thing of it. */
import type { EventFact, Facts, LedgerFact, ReservationFact, SlotFact } from './facts.ts'
import type { Answer, History, Operation } from './history.ts'

const SLOT = 'slot'

function entry(
  version: number,
  type: string,
  confirmedDelta: number,
  more: Partial<LedgerFact> = {},
): LedgerFact {
  const plain = {
    slotId: SLOT,
    heldDelta: 0,
    capacity: 5,
    overbookingBps: 0,
    reservationId: null,
    name: null,
  }
  return { ...plain, version, type, confirmedDelta, ...more }
}

function event(seq: number, entryOf: Pick<EventFact, 'type' | 'version' | 'reservationId'>): EventFact {
  return { offset: seq - 1, seq, slotId: SLOT, text: `event ${seq}`, ...entryOf }
}

function reservation(id: string, status: string, more: Partial<ReservationFact> = {}): ReservationFact {
  const plain = { slotId: SLOT, quantity: 2, reason: null, slotVersion: 0 }
  return { id, userId: `user-${id}`, status, ...plain, ...more }
}

export function accepted(id: string): Answer {
  return { type: 'accepted', id, status: 202, code: '' }
}

export function decided(id: string, code: string, status = '', slotVersion = 0): Answer {
  const told = status === '' ? null : { status, quantity: 2, slotVersion }
  return {
    type: 'decided',
    id,
    decision: { code, reservation: told },
    status: code === 'ok' ? 201 : 409,
    code,
  }
}

export const nobody: Answer = { type: 'unknown', status: 0, code: 'ECONNRESET' }
export const refused: Answer = { type: 'refused', status: 503, code: 'log-unavailable' }

function reserve(id: string, ...answers: Answer[]): Operation {
  const intent = { type: 'reserve', slotId: SLOT, userId: `user-${id}`, quantity: 2 } as const
  return { phase: 'load', intent, key: `key-${id}`, answers }
}

/** Of a slot of 5: `a` is confirmed, `b` confirmed and cancelled, `c` sold out, and the slot resized to 6. */
export const goodHistory: History = {
  operations: [
    {
      phase: 'load',
      intent: { type: 'create_slot', name: 'made', capacity: 5 },
      key: 'key-made',
      answers: [decided(SLOT, 'ok')],
    },
    reserve('a', nobody, decided('a', 'ok', 'confirmed', 2)),
    reserve('b', accepted('b'), decided('b', 'ok', 'confirmed', 3)),
    reserve('c', decided('c', 'sold-out')),
    reserve('d', refused),
    reserve('e', nobody),
    {
      phase: 'load',
      intent: { type: 'cancel', reservationId: 'b' },
      key: null,
      answers: [decided('b', 'ok', 'cancelled', 4)],
    },
    {
      phase: 'rolling',
      intent: { type: 'resize', slotId: SLOT, name: 'resized', capacity: 6, alwaysFits: true },
      key: null,
      answers: [accepted(SLOT)],
    },
  ],
  slotReads: [read(3, 4, 5, 0), read(5, 2, 6, 10)],
  reservationReads: [
    { id: 'b', status: 'confirmed' },
    { id: 'c', status: 'rejected' },
  ],
}

export function read(version: number, reservedUnits: number, capacityUnits: number, sentMs: number) {
  const plain = { life: 'api-1.1', slotId: SLOT, epoch: 1 }
  return { ...plain, version, reservedUnits, capacityUnits, sentMs, answeredMs: sentMs + 1 }
}

const slot: SlotFact = {
  id: SLOT,
  name: 'resized',
  version: 5,
  capacity: 6,
  overbookingBps: 0,
  held: 0,
  confirmed: 2,
}

export const goodFacts: Facts = {
  slots: [slot],
  reservations: [
    reservation('a', 'confirmed', { slotVersion: 2 }),
    reservation('b', 'cancelled', { slotVersion: 4 }),
    reservation('c', 'rejected', { reason: 'sold-out', slotVersion: 4 }),
  ],
  ledger: [
    entry(1, 'slot_created', 0, { name: 'made' }),
    entry(2, 'reservation_confirmed', 2, { reservationId: 'a' }),
    entry(3, 'reservation_confirmed', 2, { reservationId: 'b' }),
    entry(4, 'reservation_cancelled', -2, { reservationId: 'b' }),
    entry(5, 'slot_updated', 0, { name: 'resized', capacity: 6 }),
  ],
  partitions: [
    {
      partition: 0,
      nextOffset: 9,
      logEnd: 9,
      eventSeq: 6,
      outboxSegments: 0,
      events: [
        event(1, { type: 'slot_created', version: 1, reservationId: null }),
        event(2, { type: 'reservation_confirmed', version: 2, reservationId: 'a' }),
        event(3, { type: 'reservation_confirmed', version: 3, reservationId: 'b' }),
        event(2, { type: 'reservation_confirmed', version: 2, reservationId: 'a' }),
        event(3, { type: 'reservation_confirmed', version: 3, reservationId: 'b' }),
        event(4, { type: 'reservation_rejected', version: 3, reservationId: 'c' }),
        event(5, { type: 'reservation_cancelled', version: 4, reservationId: 'b' }),
        event(6, { type: 'slot_updated', version: 5, reservationId: null }),
      ],
    },
  ],
  deadLetters: [],
  snapshots: [{ source: 'redis', slotId: SLOT, version: 5, reservedUnits: 2, capacityUnits: 6 }],
}
