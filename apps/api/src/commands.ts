/** The command path: build, append to the log, and if the client asks for it wait for the decision. */
import {
  type AcceptedCommand,
  COMMAND_SCHEMA_VERSION,
  type CommandOutcome,
  type CommandTopic,
  type Queue,
} from '@ironsys/contracts'
import { LogOverloadedError, LogUnavailableError, OutcomeUnknownError } from '@ironsys/engine'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { CursorKind, LogPlace } from './cursor.ts'
import type { ApiDeps } from './deps.ts'
import { callerOf, type IdentityScope } from './identity.ts'
import { accountOf } from './ownership.ts'
import { patience, waitSecondsOf } from './prefer.ts'
import { ProblemError } from './problem.ts'
import type { Waiter } from './waiting.ts'

export interface Submission {
  readonly id: string
  readonly scope: IdentityScope
  /** The Idempotency-Key of the client, to be named again where the outcome is unknown. */
  readonly key: string | null
  /** The place in a batch that the key is of; 0 when absent. */
  readonly index?: number
  /** What the answer is about, and what its cursor is bound to. */
  readonly subjectId: string
  readonly kind: CursorKind
  readonly topic: CommandTopic
  readonly partition: number
  /** The log's key. */
  readonly logKey: string
  /** The command without its envelope. */
  readonly command: Readonly<Record<string, unknown>>
  /** The hash of a keyed request: its cursor and its record tell it from another one with the same key. */
  readonly bodyHash?: string | undefined
}

/** Asks the store for the outcome of the command that lies at `place`. */
export type AskStoreAt = (place: LogPlace) => Promise<CommandOutcome | null>

export interface Submitted {
  readonly place: LogPlace
  /** Null when the client did not wait, or not long enough. */
  readonly outcome: CommandOutcome | null
}

export interface Accepted {
  readonly place: LogPlace
  readonly isReplay: boolean
}

export interface Commands {
  /**
   * Resolves when the command is durable, or was before. Throws a {@link ProblemError} when it is not, or not known to be,
   * and for the key of another request. Of one that was before only `askStore` knows more.
   */
  accept(submission: Submission, askStore: AskStoreAt): Promise<Accepted>
  /** Accepts and, with `Prefer: wait`, waits; says so in the reply's headers, and whether it is a replay. */
  submit(
    submission: Submission,
    request: FastifyRequest,
    reply: FastifyReply,
    askStore: AskStoreAt,
  ): Promise<Submitted>
  queue(place: LogPlace): Queue
  cursor(place: LogPlace, subjectId: string, request: FastifyRequest): string
}

/** What a client is told to wait before it tries again. */
const RETRY_AFTER_SECONDS = 1

const REPLAYED = 'idempotency-replayed'

export function markReplayed(reply: FastifyReply): void {
  reply.header(REPLAYED, 'true')
}

export function createCommands(deps: ApiDeps): Commands {
  const { replays } = deps
  async function append(submission: Submission, replyTo: string | undefined): Promise<LogPlace> {
    const { id, topic, partition, kind } = submission
    const value = JSON.stringify({ v: COMMAND_SCHEMA_VERSION, id, reply_to: replyTo, ...submission.command })
    try {
      const { offset, timeMs } = await deps.log.append({ topic, partition }, submission.logKey, value)
      const bodyHash = submission.bodyHash?.slice(0, 16) ?? null
      const place = { topic, partition, offset, timeMs, kind, bodyHash }
      replays.keep(submission, place)
      deps.progress.accepted(place)
      return place
    } catch (error) {
      throw appendProblem(error, submission, deps)
    }
  }

  async function submitAndWait(
    submission: Submission,
    waiter: Waiter,
    timeoutMs: number,
    reply: FastifyReply,
    askStore: AskStoreAt,
  ): Promise<Submitted> {
    let place: LogPlace
    try {
      place = await append(submission, waiter.replyTo)
    } catch (error) {
      waiter.close()
      throw error
    }
    return {
      place,
      outcome: await waiter.outcome(timeoutMs, () => askStore(place), patience(reply, deps.closing)),
    }
  }

  /** `timeoutMs`: 0 for who does not wait. */
  async function replayOrSubmit(
    submission: Submission,
    timeoutMs: number,
    reply: FastifyReply,
    askStore: AskStoreAt,
  ): Promise<Submitted> {
    const untilMs = deps.nowMs() + timeoutMs
    const known = await findKnown(submission)
    if (known !== null) {
      const gone = timeoutMs === 0 ? AbortSignal.abort() : patience(reply, deps.closing)
      const replay = await replays.answer(known, askStore, { timeoutMs, gone })
      const isReused = replay !== 'ask-writer' && replay.outcome?.code === 'idempotency-key-reused'
      if (!isReused && !(known.isOther && replay === 'ask-writer')) markReplayed(reply)
      if (replay !== 'ask-writer') return replay
    }
    const waiter = timeoutMs === 0 ? null : deps.waiting.open()
    if (waiter === null) return { place: await append(submission, undefined), outcome: null }
    reply.header('preference-applied', 'wait')
    return submitAndWait(submission, waiter, Math.max(1, untilMs - deps.nowMs()), reply, askStore)
  }

  /** At once where there is no key: nothing is to be found then. */
  const findKnown = (submission: Submission) => (submission.key === null ? null : replays.find(submission))

  return {
    async accept(submission, askStore) {
      const known = await findKnown(submission)
      if (known !== null && !known.isOther) return { place: known.place, isReplay: true }
      if (known !== null) {
        const replay = await replays.answer(known, askStore, { timeoutMs: 0, gone: AbortSignal.abort() })
        const code = replay === 'ask-writer' ? null : replay.outcome?.code
        if (code === 'idempotency-key-reused') throw new ProblemError({ code, id: submission.subjectId })
      }
      return { place: await append(submission, undefined), isReplay: false }
    },
    async submit(submission, request, reply, askStore) {
      const waitSeconds = waitSecondsOf(request.headers.prefer)
      const leave = waitSeconds === null ? null : deps.waitPlaces.take(accountOf(request))
      try {
        const timeoutMs = waitSeconds === null || leave === null ? 0 : waitSeconds * 1000
        return await replayOrSubmit(submission, timeoutMs, reply, askStore)
      } finally {
        leave?.()
      }
    },
    queue: (place) => deps.progress.queue(place),
    cursor: (place, subjectId, request) => deps.cursors.seal(place, subjectId, callerOf(request) ?? ''),
  }
}

/** What every 202 says of its command. */
export function acceptedFields(
  commands: Commands,
  subjectId: string,
  place: LogPlace,
  request: FastifyRequest,
): Omit<AcceptedCommand, 'id' | 'message'> {
  return {
    status: 'pending',
    created_at: new Date(place.timeMs).toISOString(),
    queue: commands.queue(place),
    cursor: commands.cursor(place, subjectId, request),
  }
}

/** The body of the 202 to a command about something whose content is not in the request. */
export function acceptedCommand(
  commands: Commands,
  submission: Submission,
  place: LogPlace,
  request: FastifyRequest,
  message: string,
): AcceptedCommand {
  const { subjectId } = submission
  return { id: subjectId, message, ...acceptedFields(commands, subjectId, place, request) }
}

export function sendPrivate(
  reply: FastifyReply,
  status: number,
  location: string | null,
  body: unknown,
): FastifyReply {
  if (location !== null) reply.header('location', location)
  return reply
    .code(status)
    .header('content-type', 'application/json; charset=utf-8')
    .header('cache-control', 'private, no-store')
    .send(JSON.stringify(body))
}

function appendProblem(error: unknown, submission: Submission, deps: ApiDeps): unknown {
  const retryAfterSeconds = RETRY_AFTER_SECONDS
  if (error instanceof LogOverloadedError) {
    return new ProblemError({ code: 'overloaded', retryAfterSeconds }, error)
  }
  if (error instanceof LogUnavailableError) {
    return new ProblemError({ code: 'log-unavailable', retryAfterSeconds }, error)
  }
  if (!(error instanceof OutcomeUnknownError)) return error
  const { id, subjectId, scope, key } = submission
  const idempotencyKey = key ?? deps.identity.retryKey(scope, id)
  return new ProblemError(
    { code: 'outcome-unknown', id: subjectId, idempotencyKey, retryAfterSeconds },
    error,
  )
}
