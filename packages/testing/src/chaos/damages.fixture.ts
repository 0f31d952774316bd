/** The good history and facts, with one thing of them changed. */
import { goodFacts, goodHistory } from './checks.fixture.ts'
import type { BookingFact, EventFact, Facts, LedgerFact, PartitionFact, ReservationFact } from './facts.ts'
import type { Answer, History } from './history.ts'

export function withAnswers(index: number, ...answers: Answer[]): Partial<History> {
  const operations = goodHistory.operations.map((operation, at) =>
    at === index ? { ...operation, answers } : operation,
  )
  return { operations }
}

export function withReservation(id: string, change: Partial<ReservationFact> | null): Partial<Facts> {
  const reservations = goodFacts.reservations.flatMap((row) =>
    row.id !== id ? [row] : change === null ? [] : [{ ...row, ...change }],
  )
  return { reservations }
}

export function withEntry(version: number, change: Partial<LedgerFact> | null): Partial<Facts> {
  const ledger = goodFacts.ledger.flatMap((row) =>
    row.version !== version ? [row] : change === null ? [] : [{ ...row, ...change }],
  )
  return { ledger }
}

export function withPartition(change: (partition: PartitionFact) => Partial<PartitionFact>): Partial<Facts> {
  return {
    partitions: goodFacts.partitions.map((partition, at) =>
      at === 0 ? { ...partition, ...change(partition) } : partition,
    ),
  }
}

export function withBooking(change: Partial<BookingFact>): Partial<Facts> {
  return { bookings: goodFacts.bookings.map((booking) => ({ ...booking, ...change })) }
}

export function withEvents(change: (event: EventFact) => EventFact | null): Partial<Facts> {
  return withPartition(({ events }) => ({ events: events.flatMap((event) => change(event) ?? []) }))
}
