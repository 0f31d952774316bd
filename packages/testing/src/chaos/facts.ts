/** What the servers hold once everything is healed and drained: the other half of what is compared. */
import type { CommandTopic } from '@ironsys/contracts'
import type { BookedUnits } from './history.ts'
import type { LifeStep } from './lives.ts'

export interface SlotFact {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly capacity: number
  readonly overbookingBps: number
  readonly held: number
  readonly confirmed: number
  readonly maxPerUser: number | null
  readonly waitlistCount: number
}

export interface ReservationFact {
  readonly id: string
  readonly slotId: string
  /** Of the request that made it; null for the reservation of a booking. */
  readonly name: string | null
  readonly bookingId: string | null
  readonly userId: string
  readonly quantity: number
  readonly status: string
  readonly reason: string | null
  readonly slotVersion: number
  /** Oldest first. */
  readonly life: readonly LifeStep[]
}

export interface BookingFact {
  readonly id: string
  readonly version: number
  readonly userId: string
  readonly status: string
  readonly reason: string | null
  readonly life: readonly LifeStep[]
  readonly items: readonly (BookedUnits & { readonly reservationId: string })[]
}

export interface LedgerFact {
  readonly slotId: string
  readonly version: number
  /** Unix milliseconds. */
  readonly atMs: number
  readonly type: string
  readonly heldDelta: number
  readonly confirmedDelta: number
  readonly capacity: number
  readonly overbookingBps: number
  readonly reservationId: string | null
  /** Of a slot that was made or changed. */
  readonly name: string | null
}

export interface EventFact {
  readonly offset: number
  readonly seq: number
  readonly type: string
  /** The slot, or the booking. */
  readonly key: string
  readonly version: number
  readonly reservationId: string | null
  /** The whole message, to compare repeats. */
  readonly text: string
}

export interface PartitionFact {
  /** Of its commands. */
  readonly topic: CommandTopic
  readonly partition: number
  readonly nextOffset: number
  readonly logEnd: number
  readonly eventSeq: number
  readonly outboxSegments: number
  /** In the order of the events topic. */
  readonly events: readonly EventFact[]
}

export interface SnapshotFact {
  /** `redis`, or the API that answered. */
  readonly source: string
  readonly slotId: string
  readonly version: number
  readonly reservedUnits: number
  readonly capacityUnits: number
}

export interface Facts {
  readonly slots: readonly SlotFact[]
  readonly reservations: readonly ReservationFact[]
  readonly bookings: readonly BookingFact[]
  /** By slot and version. */
  readonly ledger: readonly LedgerFact[]
  readonly partitions: readonly PartitionFact[]
  readonly deadLetters: readonly string[]
  readonly snapshots: readonly SnapshotFact[]
}
