/** What was asked and what was answered, as the clients saw it. Bounded: {@link historyLimits}. */

export const historyLimits = {
  /** Operations and reads of one run. A full history ends the load, not the run. */
  operations: 1_000_000,
  reads: 1_000_000,
} as const

/** `load`: clients retry as the documentation tells them. `rolling`: they do not, and nothing may fail. */
export type Phase = 'load' | 'rolling'

/** What a slot is made with. */
export interface SlotRules {
  readonly capacity: number
  /** Null: reservations are confirmed at once. */
  readonly holdTtlSeconds: number | null
  readonly maxPerUser: number | null
  readonly waitlist: boolean
}

export interface BookedUnits {
  readonly slotId: string
  readonly quantity: number
}

export type SlotChange = { readonly capacity: number } | { readonly status: 'open' | 'closed' }

/**
 * What an operation wants. Its marker (a user's, a slot's or a request's name of its own) tells its effect from all
 * others'; what is asked of something that is there has none: it is idempotent by state.
 */
export type Intent =
  | { readonly type: 'create_slot'; readonly name: string; readonly rules: SlotRules }
  | {
      readonly type: 'reserve'
      readonly slotId: string
      /** The marker: a user may have several. */
      readonly name: string
      readonly userId: string
      readonly quantity: number
      /** Seconds; null asks for a confirmation. */
      readonly holdTtlSeconds: number | null
      readonly joinWaitlist: boolean
    }
  | { readonly type: 'confirm'; readonly reservationId: string; readonly late: Late | null }
  | { readonly type: 'cancel'; readonly reservationId: string }
  | {
      readonly type: 'update_slot'
      readonly slotId: string
      readonly name: string
      readonly change: SlotChange
      /** False where nothing can be taken beyond it, so that there is no reason to refuse it. */
      readonly mayBeRefused: boolean
    }
  | {
      readonly type: 'book'
      /** The marker. */
      readonly userId: string
      readonly items: readonly BookedUnits[]
      /** Seconds; null asks for a confirmation. */
      readonly holdTtlSeconds: number | null
    }
  | { readonly type: 'confirm_booking'; readonly bookingId: string }
  | { readonly type: 'cancel_booking'; readonly bookingId: string }

export type Late = 'reject' | 'rehold' | 'waitlist'

/** A decision as a client was told it. */
export interface Decision {
  readonly code: string
  /** Null for a slot, and for what was refused. */
  readonly document: Told | null
}

/** A reservation or booking as a document shows it. */
export interface Told {
  readonly status: string
  /** Every status that it had and when, as {@link lifeText} writes them. */
  readonly life: string
  /** Null for a booking. */
  readonly quantity: number | null
  readonly slotVersion: number | null
}

/**
 * `accepted`: a 202. `decided`: waited for. `refused`: nothing was done, says the answer. `unknown`: nobody answered,
 * or the answer says that it is not known.
 */
export type Answer = (
  | { readonly type: 'accepted'; readonly id: string }
  | { readonly type: 'decided'; readonly id: string; readonly decision: Decision }
  | { readonly type: 'refused' }
  | { readonly type: 'unknown' }
) & {
  /** 0 when nobody answered. */
  readonly status: number
  /** A problem's code, or why nobody answered; empty for a success. */
  readonly code: string
}

export interface Operation {
  readonly phase: Phase
  readonly intent: Intent
  /** The Idempotency-Key of every attempt; null without one. */
  readonly key: string | null
  /** One per attempt, in order. */
  readonly answers: readonly Answer[]
}

/** What became of an operation, as far as its client can know. */
export type Knowledge = 'taken' | 'refused' | 'unknown'

export function knowledgeOf({ answers }: Operation): Knowledge {
  if (answers.some(({ type }) => type === 'accepted' || type === 'decided')) return 'taken'
  return answers.every(({ type }) => type === 'refused') ? 'refused' : 'unknown'
}

/** The id that an operation's answers name; the first one when they differ. */
export function idOf({ answers }: Operation): string | null {
  for (const answer of answers) if ('id' in answer) return answer.id
  return null
}

export interface SlotRead {
  /** Which life of which API process answered. */
  readonly life: string
  readonly slotId: string
  readonly epoch: number
  readonly version: number
  readonly reservedUnits: number
  readonly capacityUnits: number
  /** Milliseconds, on one clock. */
  readonly sentMs: number
  readonly answeredMs: number
}

/** Of a reservation or booking, decided. */
export interface DocumentRead {
  readonly id: string
  readonly told: Told
}

export interface History {
  readonly operations: readonly Operation[]
  readonly slotReads: readonly SlotRead[]
  readonly documentReads: readonly DocumentRead[]
}
