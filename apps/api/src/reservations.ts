/** POST /reservations, GET and DELETE /reservations/:id. The batch has a file of its own. */
import type {
  AcceptedReservation,
  CommandOutcome,
  ReservationParams,
  ReservationQuery,
  ReserveRequest,
} from '@ironsys/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { acceptedCommand, type Commands, createCommands, sendPrivate } from './commands.ts'
import type { LogPlace } from './cursor.ts'
import type { ApiDeps } from './deps.ts'
import { callerOf, idempotencyKeyOf } from './identity.ts'
import { cancelOutcome, reservationHash, reserveOutcome } from './outcomes.ts'
import { patience } from './prefer.ts'
import { ProblemError, sendProblem } from './problem.ts'
import { reserveBatchRoute } from './reservation-batch.ts'
import { cancelSubmission, RESERVE_ENDPOINT, reserveSubmission } from './reservation-commands.ts'
import { type RouteContext, routeOptions } from './route.ts'
import { routes } from './routes.ts'
import { reading } from './store.ts'

export function reservationRoutes(app: FastifyInstance, context: RouteContext): void {
  const { deps, options } = context
  const commands = createCommands(deps, options)

  app.route<{ Body: ReserveRequest }>({
    ...routeOptions(context, routes.reserve),
    handler: async (request, reply) => {
      const { body } = request
      const key = idempotencyKeyOf(request, body.idempotency_key)
      const submission = reserveSubmission(context, request, body, {
        endpoint: RESERVE_ENDPOINT,
        key,
        index: 0,
      })
      const hash = submission.command.body_hash
      const { place, outcome } = await commands.submit(submission, request, reply, () =>
        reserveOutcome(deps, submission.id, hash),
      )
      return outcome === null
        ? sendPrivate(
            reply,
            202,
            `/reservations/${submission.id}`,
            accepted(commands, request, submission.id, body, place),
          )
        : sendReservation(request, reply, submission.id, outcome, 201)
    },
  })

  reserveBatchRoute(app, context, commands)

  app.route<{ Params: ReservationParams; Querystring: ReservationQuery }>({
    ...routeOptions(context, routes.getReservation),
    handler: async (request, reply) =>
      sendPrivate(reply, 200, null, await reading(findReservation(deps, request, reply))),
  })

  app.route<{ Params: ReservationParams }>({
    ...routeOptions(context, routes.cancelReservation),
    handler: async (request, reply) => {
      const { id } = request.params
      const submission = cancelSubmission(context, request, id)
      const { place, outcome } = await commands.submit(submission, request, reply, (at) =>
        cancelOutcome(deps, id, at),
      )
      if (outcome !== null) return sendReservation(request, reply, id, outcome, 200)
      const message = 'Cancellation accepted and queued for processing'
      const body = acceptedCommand(commands, submission, place, request, message)
      return sendPrivate(reply, 202, `/reservations/${id}`, body)
    },
  })
}

function accepted(
  commands: Commands,
  request: FastifyRequest,
  id: string,
  body: ReserveRequest,
  place: LogPlace,
): Omit<AcceptedReservation, 'id'> & { readonly id: string } {
  return {
    id,
    slot_id: body.slot_id,
    user_id: body.user_id,
    quantity: body.quantity,
    status: 'pending',
    created_at: new Date(place.timeMs).toISOString(),
    message: 'Reservation request accepted and queued for processing',
    queue: commands.queue(place),
    cursor: commands.cursor(place, id, request),
  }
}

/** A decision about a reservation. A repeat whose reservation was cancelled since made nothing now: 200. */
function sendReservation(
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
  { code, detail, reservation }: CommandOutcome,
  madeStatus: 200 | 201,
): FastifyReply {
  if (code !== 'ok') return sendProblem(request, reply, { code, detail, id })
  if (reservation === undefined) throw new Error(`the outcome of ${id} has no reservation`)
  const status = reservation.status === 'confirmed' ? madeStatus : 200
  return sendPrivate(reply, status, `/reservations/${id}`, reservation)
}

/** A reservation without a cursor is looked for again after this long; the pause doubles up to the second. */
const LOOK_AGAIN_MS = { first: 50, longest: 500 } as const

async function findReservation(
  deps: ApiDeps,
  request: FastifyRequest<{ Params: ReservationParams; Querystring: ReservationQuery }>,
  reply: FastifyReply,
): Promise<unknown> {
  const { id } = request.params
  const { cursor, wait } = request.query
  const waitMs = (wait ?? 0) * 1000
  if (cursor === undefined) return findWithoutCursor(deps, id, waitMs, reply)
  const place = deps.cursors.open(cursor, id, callerOf(request) ?? '')
  if (place === null) {
    throw new ProblemError({
      code: 'invalid-cursor',
      errors: [{ in: 'query', pointer: '/cursor', detail: 'is not valid for this reservation' }],
    })
  }
  const decided =
    waitMs > 0
      ? await deps.progress.waitPassed(place.partition, place.offset, waitMs, patience(reply, deps.closing))
      : await deps.progress.passed(place.partition, place.offset)
  const queue = decided ? undefined : deps.progress.queue(place.partition, place.offset)
  // Nothing of a create can be in the store before it is decided: a client that polls costs no query.
  if (queue !== undefined && place.kind === 'create') return { id, status: 'pending', queue }
  const reservation = await deps.reads.reservation(id)
  if (reservation !== null) {
    const mine = place.bodyHash === null || reservationHash(reservation).startsWith(place.bodyHash)
    if (!mine) throw new ProblemError({ code: 'idempotency-key-reused', id })
    return { ...reservation, queue }
  }
  if (await deps.reads.failed(id)) return { id, status: 'failed' }
  if (decided && place.kind === 'change') throw new ProblemError({ code: 'reservation-not-found', id })
  throw new ProblemError({ code: 'not-decided-or-unknown', id })
}

async function findWithoutCursor(
  deps: ApiDeps,
  id: string,
  waitMs: number,
  reply: FastifyReply,
): Promise<unknown> {
  const untilMs = deps.nowMs() + waitMs
  const gone = waitMs > 0 ? patience(reply, deps.closing) : null
  for (let pauseMs: number = LOOK_AGAIN_MS.first; ; pauseMs = Math.min(pauseMs * 2, LOOK_AGAIN_MS.longest)) {
    const reservation = await deps.reads.reservation(id)
    if (reservation !== null) return reservation
    if (await deps.reads.failed(id)) return { id, status: 'failed' }
    const leftMs = untilMs - deps.nowMs()
    if (leftMs <= 0 || gone === null || gone.aborted)
      throw new ProblemError({ code: 'not-decided-or-unknown', id })
    await pause(Math.min(pauseMs, leftMs), gone)
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const wake = () => resolve()
  const timer = setTimeout(wake, ms)
  signal.addEventListener('abort', wake, { once: true })
  await promise
  clearTimeout(timer)
  signal.removeEventListener('abort', wake)
}
