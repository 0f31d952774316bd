/** What has become of something, for GET: from its cursor and the store, waiting for the decision where that is asked for. */
import type { ReservationQuery } from '@ironsys/contracts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LogPlace } from './cursor.ts'
import type { ApiDeps, Stored } from './deps.ts'
import type { ProblemCode } from './errors.ts'
import { callerOf } from './identity.ts'
import { patience } from './prefer.ts'
import { ProblemError } from './problem.ts'
import { createStorePolls } from './store-polls.ts'

export interface StatusSubject<D> {
  readonly id: string
  /** The problem of a change to something that is not there. */
  readonly notFound: ProblemCode
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

  return async (subject, request, reply) => {
    const { id } = subject
    const { cursor, wait } = request.query
    const untilMs = deps.nowMs() + (wait ?? 0) * 1000
    const gone = wait === undefined ? AbortSignal.abort() : patience(reply, deps.closing)
    const place = cursor === undefined ? null : openCursor(deps, id, cursor, callerOf(request) ?? '')
    const isPassed = place !== null && (await hasPassed(deps, place, untilMs, gone))
    const queue = place === null || isPassed ? undefined : deps.progress.queue(place)
    // Before it is decided the id of a create shows nothing, or an earlier request with the same key: nothing is read.
    if (queue !== undefined && place?.kind === 'create') return { id, status: 'pending', queue }

    const read = () => subject.find()
    let stored = await read()
    const isEnough = (seen: typeof stored) =>
      seen === null ? place !== null : !subject.isPending(seen.document)
    let isFailed = stored === null && (await deps.reads.failed(id))
    if (!isFailed && !isEnough(stored) && !gone.aborted && polls.hasRoom()) {
      stored = await polls.until({ read, isEnough, untilMs, gone })
      isFailed = stored === null && (await deps.reads.failed(id))
    }
    if (isFailed) return { id, status: 'failed' }
    if (stored === null) {
      const isNoSuch = isPassed && place.kind === 'change'
      throw new ProblemError({ code: isNoSuch ? subject.notFound : 'not-decided-or-unknown', id })
    }
    if (isOfAnotherRequest(stored, place)) throw new ProblemError({ code: 'idempotency-key-reused', id })
    return { ...stored.document, queue }
  }
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
