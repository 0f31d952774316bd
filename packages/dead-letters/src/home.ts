/** Where a record belongs and what it is about, as the domain of its topic reads it. */
import * as bookings from '@ironsys/bookings'
import { topics } from '@ironsys/contracts'
import * as reservations from '@ironsys/reservations'

/** Something that has a page of its own at the public API. */
export interface Subject {
  readonly kind: 'slot' | 'reservation' | 'booking'
  readonly id: string
}

/** The partition that the record's key belongs to; null when the record cannot be read, or its topic is not known. */
export function homePartition(topic: string, value: Buffer, partitionCount: number): number | null {
  return domainOf(topic)?.homePartition(value, partitionCount) ?? null
}

/** What the record is about; null as for {@link homePartition}. */
export function subjectOf(topic: string, value: Buffer): Subject | null {
  return domainOf(topic)?.subjectOf(value) ?? null
}

interface DomainRecords {
  homePartition(value: Buffer, partitionCount: number): number | null
  subjectOf(value: Buffer): Subject | null
}

function domainOf(topic: string): DomainRecords | null {
  switch (topic) {
    case topics.reservationCommands:
      return reservations
    case topics.bookingCommands:
      return bookings
    default:
      return null
  }
}
