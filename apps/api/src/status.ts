/** What has become of something, for GET: from its cursor and the store, waiting for the decision where that is asked for. */
import type { ReservationQuery } from '@ironsys/contracts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LogPlace } from './cursor.ts'
import type { ApiDeps, Stored } from './deps.ts'
import type { ProblemCode } from './errors.ts'
import { callerOf } from './identity.ts'
import { accountOf } from './ownership.ts'
import { patience } from './prefer.ts'
import { ProblemError } from './problem.ts'
import { createStorePolls } from './store-polls.ts'

export interface StatusSubject<D> {
  readonly id: string
  /** The problem of a change to something that is not there. */
  readonly notFound: ProblemCode
  /** Whose it has to be; undefined: anybody's. */
  readonly owner: string | undefined
  /** Null also where it is somebody else's. */
  find(): Promise<Stored<D> | null>
  /** Whether more is to be waited for: it has been heard of, and not decided. */
  isPending(document: D): boolean
}

/** The body of the 200. Throws the problem where there is nothing to show. */
export type FindStatus = <D extends object>(
  subject: StatusSubject<D>,
  request: FastifyRequest<{ Querystring: ReservationQuery }>,
  reply: FastifyReply,
) => Promise<object>

export function createFindStatus(deps: ApiDeps): FindStatus {
  const polls = createStorePolls(deps.nowMs)

  const find = async <D extends object>(
    subject: StatusSubject<D>,
    request: FastifyRequest<{ Querystring: ReservationQuery }>,
    { untilMs, gone }: Patience,
  ): Promise<object> => {
    const { id } = subject
    const { cursor } = request.query
    const place = cursor === undefined ? null : openCursor(deps, id, cursor, callerOf(request) ?? '')
    const isPassed = place !== null && (await hasPassed(deps, place, untilMs, gone))
    const queue = place === null || isPassed ? undefined : deps.progress.queue(place)
    // Before it is decided the id of a create shows nothing, or an earlier request with the same key: nothing is read.
    if (queue !== undefined && place?.kind === 'create') return { id, status: 'pending', queue }

    const read = () => subject.find()
    let stored = await read()
    const isEnough = (seen: typeof stored) =>
      seen === null ? place !== null : !subject.isPending(seen.document)
    // Of a command that failed nothing tells whose it was, but the cursor of whoever sent it.
    const mayKnow = subject.owner === undefined || place?.kind === 'create'
    const hasFailed = async () => stored === null && mayKnow && deps.reads.failed(id)
    let isFailed = await hasFailed()
    if (!isFailed && !isEnough(stored) && !gone.aborted && polls.hasRoom()) {
      stored = await polls.until({ read, isEnough, untilMs, gone })
      isFailed = await hasFailed()
    }
    if (isFailed) return { id, status: 'failed' }
    if (stored === null) {
      const isNoSuch = isPassed && place.kind === 'change'
      throw new ProblemError({ code: isNoSuch ? subject.notFound : 'not-decided-or-unknown', id })
    }
    if (isOfAnotherRequest(stored, place)) throw new ProblemError({ code: 'idempotency-key-reused', id })
    return { ...stored.document, queue }
  }
  return async (subject, request, reply) => {
    const { wait } = request.query
    const leave = wait === undefined ? null : deps.waitPlaces.take(accountOf(request))
    if (wait === undefined || leave === null)
      return find(subject, request, { untilMs: 0, gone: AbortSignal.abort() })
    try {
      const untilMs = deps.nowMs() + wait * 1000
      return await find(subject, request, { untilMs, gone: patience(reply, deps.closing) })
    } finally {
      leave()
    }
  }
}

interface Patience {
  readonly untilMs: number
  /** Aborts when nobody waits any longer. */
  readonly gone: AbortSignal
}

function openCursor({ cursors }: ApiDeps, id: string, cursor: string, caller: string): LogPlace {
  const place = cursors.open(cursor, id, caller)
  if (place !== null) return place
  const errors = [{ in: 'query', pointer: '/cursor', detail: 'is not valid for this id' }] as const
  throw new ProblemError({ code: 'invalid-cursor', errors })
}

function hasPassed(
  { progress, nowMs }: ApiDeps,
  place: LogPlace,
  untilMs: number,
  gone: AbortSignal,
): Promise<boolean> {
  const leftMs = untilMs - nowMs()
  return leftMs > 0 ? progress.waitPassed(place, leftMs, gone) : progress.passed(place)
}

/** The same key, another body. What a person was erased from has no hash left to compare. */
function isOfAnotherRequest({ bodyHash }: Stored<unknown>, place: LogPlace | null): boolean {
  // A change has a hash of its own.
  const asked = place?.kind === 'create' ? place.bodyHash : null
  return asked !== null && bodyHash !== null && !bodyHash.startsWith(asked)
}
