/** What the edge needs from the world. main.ts wires the real parts, tests pass their own. */
import type { Authenticator } from '@ironsys/access'
import type { Snapshot, SnapshotCache } from '@ironsys/cache'
import type {
  AuditDocument,
  BookingDocument,
  CommandOutcome,
  ReservationDocument,
  ReservationStatus,
  SlotDocument,
} from '@ironsys/contracts'
import type { CommandAppender, PartitionId } from '@ironsys/engine'
import type { RateLimiter } from '@ironsys/rate-limiter'
import type { ApiMetrics, Logger, Tracing } from '@ironsys/telemetry'
import type { AddressOf } from './client-address.ts'
import type { CursorCipher } from './cursor.ts'
import type { Identity } from './identity.ts'
import type { LimitName } from './limit-config.ts'
import type { ProgressView } from './progress.ts'
import type { Replays } from './replays.ts'
import type { Shedder } from './shedder.ts'
import type { StreamHub } from './stream-hub.ts'
import type { WaitPlaces } from './wait-places.ts'
import type { Waiting } from './waiting.ts'

export interface SlotFilter {
  /** Starts at or after. RFC 3339, UTC, milliseconds; as is `to`. */
  readonly from?: string
  /** Starts before. */
  readonly to?: string
  /** True: only slots with units left; false: only those without. */
  readonly available?: boolean
  readonly limit: number
  /** The last slot of the page before, in the order of (start_time, id). */
  readonly after?: PagePosition
}

export interface PagePosition {
  readonly startTime: string
  readonly id: string
}

export interface SlotReservationsFilter {
  readonly slotId: string
  readonly status?: ReservationStatus
  readonly limit: number
  /** The id of the last reservation of the page before, in the order of ids. */
  readonly after?: string
}

export interface UserReservationsFilter {
  readonly userId: string
  readonly limit: number
  /** The last reservation of the page before: the newest come first. */
  readonly after?: CreatedPosition
}

/** A place in the order of (created_at, id). */
export interface CreatedPosition {
  /** RFC 3339, UTC, milliseconds. */
  readonly createdAt: string
  readonly id: string
}

/** As it was decided, with the hash of its request where that had an idempotency key and nobody was erased from it. */
export interface Stored<D> {
  readonly document: D
  readonly bodyHash: string | null
}

/** Reads of the store. All of them throw when it cannot be reached. */
export interface ReservationReads {
  slot(id: string): Promise<Snapshot<SlotDocument> | null>
  slots(filter: SlotFilter): Promise<{
    readonly items: readonly Snapshot<SlotDocument>[]
    /** Null on the last page. */
    readonly next: PagePosition | null
  }>
  reservation(id: string): Promise<Stored<ReservationDocument> | null>
  /** Where a waitlisted reservation stands in its line, 1 for the next; null when it does not wait any more. */
  waitlistPosition(id: string): Promise<{ readonly position: number; readonly approximate: boolean } | null>
  /** Null where there is no such slot. */
  reservationsOfSlot(filter: SlotReservationsFilter): Promise<{
    readonly items: readonly ReservationDocument[]
    readonly next: string | null
  } | null>
  reservationsOfUser(filter: UserReservationsFilter): Promise<{
    readonly items: readonly ReservationDocument[]
    readonly next: CreatedPosition | null
  }>
  /** What `applied_commands` remembers of a command that is idempotent neither by id nor by state. */
  rememberedOutcome(commandId: string): Promise<CommandOutcome | null>
  /** Whether the command lies in `dead_letters`. */
  failed(commandId: string): Promise<boolean>
  /** Null before the partition's first command. */
  progress(id: PartitionId): Promise<{ readonly nextOffset: number } | null>
  /** Recomputed from the ledger; null for an unknown slot. */
  audit(slotId: string): Promise<AuditDocument | null>
  ping(): Promise<void>
}

export interface BookingReads {
  booking(id: string): Promise<Stored<BookingDocument> | null>
}

/** Slots changed or a command was passed: who waits for it is woken. */
export interface SlotArrivals {
  /** Resolves when a newer snapshot of the slot is announced, after `timeoutMs`, or when `signal` aborts. */
  next(slotId: string, timeoutMs: number, signal: AbortSignal): Promise<void>
}

export type DependencyName = 'postgres' | 'redis' | 'kafka'
export type DependencyState = 'up' | 'degraded' | 'down'

export interface HealthView {
  /** The last known state of each; asking it does no I/O. */
  dependencies(): Readonly<Record<DependencyName, DependencyState>>
  /** True from the start of the shutdown on. */
  draining(): boolean
}

export interface ApiDeps {
  readonly log: CommandAppender
  readonly slots: SnapshotCache<SlotDocument>
  readonly slotStreams: StreamHub
  readonly arrivals: SlotArrivals
  readonly reads: ReservationReads & BookingReads
  readonly progress: ProgressView
  readonly waiting: Waiting
  readonly waitPlaces: WaitPlaces
  /** Null: nobody is asked who they are. */
  readonly authenticator: Authenticator | null
  readonly cursors: CursorCipher
  readonly identity: Identity
  readonly replays: Replays
  readonly shedder: Shedder
  readonly limiter: RateLimiter<LimitName>
  readonly addressOf: AddressOf
  readonly health: HealthView
  /** Aborts during the shutdown, when clients that wait must be answered with what is known. */
  readonly closing: AbortSignal
  readonly metrics: ApiMetrics
  readonly logger: Logger
  /** What operators do: of no log level. */
  readonly auditLog: Logger
  /** Null: no request is traced. */
  readonly tracing: Tracing | null
  readonly nowMs: () => number
}

export interface ApiOptions {
  readonly partitions: number
  /** This process; its requests' ids start with it. */
  readonly instanceId: string
  /** Requests slower than this are logged; those that wait on purpose are not. */
  readonly slowRequestMs: () => number
  /** One of so many normal requests is logged at info; 0: none. At debug level all are. */
  readonly logOneOf: () => number
  /** For how long, milliseconds, a slot's snapshot is answered while it is looked up. */
  readonly staleWhileRevalidateMs: () => number
  /** Web sites whose pages may use the API. */
  readonly corsOrigins: ReadonlySet<string>
}
