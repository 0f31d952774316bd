/** What was asked and what was answered, as the clients saw it. Bounded: {@link historyLimits}. */

export const historyLimits = {
  /** Operations and reads of one run. A full history ends the load, not the run. */
  operations: 1_000_000,
  reads: 1_000_000,
} as const

/** `load`: clients retry as the documentation tells them. `rolling`: they do not, and nothing may fail. */
export type Phase = 'load' | 'rolling'

/** What an operation wants. Its marker (a user's or a slot's name of its own) tells its effect from all others'. */
export type Intent =
  | { readonly type: 'create_slot'; readonly name: string; readonly capacity: number }
  | {
      readonly type: 'reserve'
      readonly slotId: string
      readonly userId: string
      readonly quantity: number
    }
  | { readonly type: 'cancel'; readonly reservationId: string }
  | {
      readonly type: 'resize'
      readonly slotId: string
      readonly name: string
      readonly capacity: number
      /** True for the most that this slot ever has: then nothing can be taken beyond it, and there is no reason to refuse it. */
      readonly alwaysFits: boolean
    }

/** A decision as a client was told it. */
export interface Decision {
  readonly code: string
  /** Of a reservation: its status, quantity and the slot's version. Null for what is not one. */
  readonly reservation: {
    readonly status: string
    readonly quantity: number
    readonly slotVersion: number
  } | null
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

export interface ReservationRead {
  readonly id: string
  readonly status: string
}

export interface History {
  readonly operations: readonly Operation[]
  readonly slotReads: readonly SlotRead[]
  readonly reservationReads: readonly ReservationRead[]
}
