/**
 * Repeats of requests with an Idempotency-Key, as far as a record tells of the first one. What was decided is always asked
 * of the store, which has the hash of the request that took effect: a record may be that of a request whose repeat came
 * first in the log, so it alone proves only that something was accepted under the key.
 *
 *  R1  What it answers is what the writer would say, sooner; where it does not know that, the request goes its usual way and
 *      the writer says it.
 *  R2  Nothing is produced for a repeat whose first request is in the log, unless only the writer can say what came of it.
 */
import { type CommandOutcome, redisNames, topics } from '@ironsys/contracts'
import type { AskStoreAt, Submission } from './commands.ts'
import type { CursorCipher, LogPlace } from './cursor.ts'
import type { Identity } from './identity.ts'
import type { ProgressView } from './progress.ts'
import type { ReplayRecords } from './replay-records.ts'
import { createStorePolls } from './store-polls.ts'

export interface Known {
  /** Another request had the key: for something else, or with another body. */
  readonly isOther: boolean
  /** Of the request that the record is of. */
  readonly place: LogPlace
}

export interface Patience {
  /** 0: only what is known now. */
  readonly timeoutMs: number
  readonly gone: AbortSignal
}

/** `ask-writer`: the request goes its usual way. */
export type Replay = { readonly place: LogPlace; readonly outcome: CommandOutcome | null } | 'ask-writer'

export interface Replays {
  /** Null for a request without a key of its client's, and for one that nothing is known of. */
  find(submission: Submission): Promise<Known | null>
  /** What has become of it, for who waits as for who does not. */
  answer(known: Known, askStore: AskStoreAt, patience: Patience): Promise<Replay>
  /** The request is durable. In the background. */
  keep(submission: Submission, place: LogPlace): void
}

export interface ReplaysDeps {
  readonly records: ReplayRecords
  readonly identity: Identity
  readonly cursors: CursorCipher
  readonly progress: ProgressView
  readonly nowMs: () => number
}

const replaysLimits = {
  /** Looks at the store under way; beyond it a repeat goes its usual way. */
  looks: 64,
  /** For a look at a store that hangs. */
  lookMs: 250,
} as const

export function createReplays({ records, identity, cursors, progress, nowMs }: ReplaysDeps): Replays {
  const look = createLook()
  const polls = createStorePolls(nowMs)

  /** Of a command that was accepted before: nobody replies to this request. */
  async function decided(place: LogPlace, askStore: AskStoreAt, patience: Patience): Promise<Replay> {
    const untilMs = nowMs() + patience.timeoutMs
    const isPassed = await progress.waitPassed(place, patience.timeoutMs, patience.gone).catch(() => false)
    if (!isPassed) return { place, outcome: null }
    if (!takesLonger(place) || !polls.hasRoom()) {
      const outcome = await look(() => askStore(place))
      return outcome === 'unknown' || outcome === null ? 'ask-writer' : { place, outcome }
    }
    const read = () => askStore(place).catch(() => null)
    const isEnough = (outcome: CommandOutcome | null) => outcome !== null
    return { place, outcome: await polls.until({ read, isEnough, untilMs, gone: patience.gone }) }
  }

  return {
    async find(submission) {
      const { id, bodyHash = '', scope } = submission
      const name = nameOf(identity, submission)
      const record = name === null ? null : await records.find(name)
      if (record === null) return null
      const isOther = record.id !== id || record.bodyHash !== bodyHash
      // Of something else the id is not known, nor needed: its place is none of this request's.
      const place = cursors.open(record.cursor, record.id, scope.caller)
      return place === null ? null : { isOther, place }
    },
    async answer({ isOther, place }, askStore, patience) {
      const outcome = await look(() => askStore(place))
      if (isOther) {
        if (outcome === 'unknown') return 'ask-writer'
        // Null: under the key there is only the other one, as far as anybody knows.
        return { place, outcome: outcome ?? { code: 'idempotency-key-reused' } }
      }
      if (outcome !== 'unknown' && outcome !== null) return { place, outcome }
      if (patience.timeoutMs === 0) return { place, outcome: null }
      return decided(place, askStore, patience)
    },
    keep(submission, place) {
      const { id, bodyHash = '', scope } = submission
      const name = nameOf(identity, submission)
      if (name !== null) records.keep(name, { id, bodyHash, cursor: cursors.seal(place, id, scope.caller) })
    },
  }
}

/** Null without a key of the client's. What a path names belongs to the endpoint, what a body names does not. */
function nameOf(identity: Identity, { key, kind, scope, index = 0 }: Submission): string | null {
  if (key === null) return null
  const { caller, endpoint, partitionKey } = scope
  const subject = kind === 'change' ? partitionKey : ''
  return redisNames.replay(identity.recordName({ caller, endpoint, partitionKey: subject }, key, index))
}

/** A booking is decided by several slots, after its own command was. */
function takesLonger({ topic, kind }: LogPlace): boolean {
  return topic === topics.bookingCommands && kind === 'create'
}

/** One look at the store that neither fails nor hangs. */
function createLook() {
  let underWay = 0
  return async (ask: () => Promise<CommandOutcome | null>): Promise<CommandOutcome | null | 'unknown'> => {
    if (underWay >= replaysLimits.looks) return 'unknown'
    underWay++
    const asked = ask()
      .catch(() => 'unknown' as const)
      .finally(() => {
        underWay--
      })
    const { promise: late, resolve } = Promise.withResolvers<'unknown'>()
    const timer = setTimeout(resolve, replaysLimits.lookMs, 'unknown')
    const outcome = await Promise.race([asked, late])
    clearTimeout(timer)
    return outcome
  }
}
