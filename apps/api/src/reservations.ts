/** POST /reservations, its confirmation and cancellation, GET /reservations/:id. The batch has a file of its own. */
import type {
  AcceptedReservation,
  CancelQuery,
  CommandOutcome,
  ConfirmRequest,
  ReservationDocument,
  ReservationParams,
  ReservationQuery,
  ReserveRequest,
} from '@ironsys/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { submitChange } from './changes.ts'
import { acceptedFields, type Commands, createCommands, sendPrivate } from './commands.ts'
import type { LogPlace } from './cursor.ts'
import type { ApiDeps } from './deps.ts'
import { idempotencyKeyOf } from './identity.ts'
import { cancelOutcome, confirmOutcome, reserveOutcome } from './outcomes.ts'
import { ownerOf } from './ownership.ts'
import { sendProblem } from './problem.ts'
import { reserveBatchRoute } from './reservation-batch.ts'
import {
  cancelSubmission,
  confirmSubmission,
  RESERVE_ENDPOINT,
  reserveSubmission,
} from './reservation-commands.ts'
import { type RouteContext, routeOptions } from './route.ts'
import { routes } from './routes.ts'
import type { FindStatus, StatusSubject } from './status.ts'
import { reading } from './store.ts'
import { readReservation, withPosition } from './stored-reservation.ts'

export function reservationRoutes(app: FastifyInstance, context: RouteContext, findStatus: FindStatus): void {
  const { deps } = context
  const commands = createCommands(deps)
  reserveRoute(app, context, commands)
  reserveBatchRoute(app, context, commands)

  app.route<{ Params: ReservationParams; Querystring: ReservationQuery }>({
    ...routeOptions(context, routes.getReservation),
    handler: async (request, reply) => {
      const subject = subjectOf(deps, request.params.id, ownerOf(request))
      return sendPrivate(reply, 200, null, await reading(findStatus(subject, request, reply)))
    },
  })

  app.route<{ Params: ReservationParams; Body: ConfirmRequest }>({
    ...routeOptions(context, routes.confirmReservation),
    handler: (request, reply) => {
      const { id } = request.params
      const submission = confirmSubmission(context, request, id, request.body)
      const { id: commandId, owner: caller, bodyHash: hash } = submission
      const asked = { id, commandId, late: request.body.late, caller, hash }
      return submitChange(commands, request, reply, {
        submission,
        url: `/reservations/${id}`,
        message: 'Confirmation accepted and queued for processing',
        askStore: (at) => confirmOutcome(deps, asked, at),
        send: (outcome) => sendReservation(deps, request, reply, { id, outcome, madeStatus: 200 }),
      })
    },
  })

  app.route<{ Params: ReservationParams; Querystring: CancelQuery }>({
    ...routeOptions(context, routes.cancelReservation),
    handler: (request, reply) => {
      const { id } = request.params
      const submission = cancelSubmission(context, request, id, request.query)
      return submitChange(commands, request, reply, {
        submission,
        url: `/reservations/${id}`,
        message: 'Cancellation accepted and queued for processing',
        askStore: (at) => cancelOutcome(deps, { id, caller: submission.owner }, at),
        send: (outcome) => sendReservation(deps, request, reply, { id, outcome, madeStatus: 200 }),
      })
    },
  })
}

function reserveRoute(app: FastifyInstance, context: RouteContext, commands: Commands): void {
  const { deps } = context
  app.route<{ Body: ReserveRequest }>({
    ...routeOptions(context, routes.reserve),
    handler: async (request, reply) => {
      const { body } = request
      const source = {
        endpoint: RESERVE_ENDPOINT,
        key: idempotencyKeyOf(request, body.idempotency_key),
        index: 0,
      }
      const submission = reserveSubmission(context, request, body, source)
      const { id } = submission
      const { place, outcome } = await commands.submit(submission, request, reply, () =>
        reserveOutcome(deps, id, submission.bodyHash),
      )
      if (outcome !== null) return sendReservation(deps, request, reply, { id, outcome, madeStatus: 201 })
      return sendPrivate(reply, 202, `/reservations/${id}`, accepted(commands, request, id, body, place))
    },
  })
}

function accepted(
  commands: Commands,
  request: FastifyRequest,
  id: string,
  { slot_id, user_id, quantity }: ReserveRequest,
  place: LogPlace,
): Omit<AcceptedReservation, 'id'> & { readonly id: string } {
  const message = 'Reservation request accepted and queued for processing'
  return { id, slot_id, user_id, quantity, message, ...acceptedFields(commands, id, place, request) }
}

interface Answer {
  readonly id: string
  readonly outcome: CommandOutcome
  /** Of one that now has its units. */
  readonly madeStatus: 200 | 201
}

async function sendReservation(
  { reads, logger }: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  { id, outcome: { code, detail, reservation }, madeStatus }: Answer,
): Promise<FastifyReply> {
  if (code !== 'ok') return sendProblem(request, reply, { code, detail, id })
  if (reservation === undefined) throw new Error(`the outcome of ${id} has no reservation`)
  // The decision is known: it is answered without its place in line rather than not at all.
  const document = await withPosition(reads, reservation).catch((err: unknown) => {
    logger.warn({ request_id: request.id, err }, 'a place in line could not be read')
    return reservation
  })
  return sendPrivate(reply, statusOf(reservation, madeStatus), `/reservations/${id}`, document)
}

/** A repeat whose reservation was cancelled or has expired since made nothing now: 200. */
function statusOf({ status }: ReservationDocument, madeStatus: 200 | 201): number {
  switch (status) {
    case 'held':
    case 'confirmed':
      return madeStatus
    case 'waitlisted':
      return 202
    case 'rejected':
    case 'cancelled':
    case 'expired':
      return 200
  }
}

function subjectOf(
  { reads }: ApiDeps,
  id: string,
  owner: string | undefined,
): StatusSubject<ReservationDocument> {
  return {
    id,
    owner,
    notFound: 'reservation-not-found',
    find: () => readReservation(reads, id, owner),
    isPending: () => false,
  }
}
