/** POST /bookings, GET /bookings/:id, its confirmation and cancellation: several slots or none. */
import type {
  AcceptedBooking,
  BookingDocument,
  BookingParams,
  BookRequest,
  CancelQuery,
  CommandOutcome,
  ConfirmBookingRequest,
  ReservationQuery,
} from '@ironsys/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type BookSubmission, bookingChangeSubmission, bookSubmission } from './booking-commands.ts'
import { bookOutcome, cancelBookingOutcome, confirmBookingOutcome } from './booking-outcomes.ts'
import { submitChange } from './changes.ts'
import { acceptedFields, type Commands, createCommands, sendPrivate } from './commands.ts'
import type { LogPlace } from './cursor.ts'
import { idempotencyKeyOf } from './identity.ts'
import { ownerOf, ownOnly } from './ownership.ts'
import { sendProblem } from './problem.ts'
import { type RouteContext, routeOptions } from './route.ts'
import { routes } from './routes.ts'
import type { FindStatus } from './status.ts'
import { reading } from './store.ts'

export function bookingRoutes(app: FastifyInstance, context: RouteContext, findStatus: FindStatus): void {
  const { deps } = context
  const commands = createCommands(deps)

  app.route<{ Body: BookRequest }>({
    ...routeOptions(context, routes.book),
    handler: async (request, reply) => {
      const key = idempotencyKeyOf(request, request.body.idempotency_key)
      const submission = bookSubmission(context, request, request.body, key)
      const { id } = submission
      const { place, outcome } = await commands.submit(submission, request, reply, () =>
        bookOutcome(deps, id, submission.bodyHash),
      )
      if (outcome !== null) return sendBooking(request, reply, id, outcome, 201)
      const body = accepted(commands, request, submission, request.body.user_id, place)
      return sendPrivate(reply, 202, `/bookings/${id}`, body)
    },
  })

  app.route<{ Params: BookingParams; Querystring: ReservationQuery }>({
    ...routeOptions(context, routes.getBooking),
    handler: async (request, reply) => {
      const { id } = request.params
      const owner = ownerOf(request)
      const subject = {
        id,
        notFound: 'booking-not-found',
        owner,
        find: async () => ownOnly(await deps.reads.booking(id), owner),
        isPending: ({ status }: BookingDocument) => status === 'pending',
      } as const
      return sendPrivate(reply, 200, null, await reading(findStatus(subject, request, reply)))
    },
  })
  changeRoutes(app, context, commands)
}

function changeRoutes(app: FastifyInstance, context: RouteContext, commands: Commands): void {
  const { deps } = context

  app.route<{ Params: BookingParams; Body: ConfirmBookingRequest }>({
    ...routeOptions(context, routes.confirmBooking),
    handler: (request, reply) => {
      const { id } = request.params
      const { user_id: userId, idempotency_key } = request.body
      const key = idempotencyKeyOf(request, idempotency_key)
      const submission = bookingChangeSubmission(context, request, 'confirm_booking', id, { key, userId })
      return submitChange(commands, request, reply, {
        submission,
        url: `/bookings/${id}`,
        message: 'Confirmation accepted and queued for processing',
        askStore: (at) => confirmBookingOutcome(deps, { id, caller: submission.owner }, at),
        send: (outcome) => sendBooking(request, reply, id, outcome, 200),
      })
    },
  })

  app.route<{ Params: BookingParams; Querystring: CancelQuery }>({
    ...routeOptions(context, routes.cancelBooking),
    handler: (request, reply) => {
      const { id } = request.params
      const { user_id: userId } = request.query
      const key = idempotencyKeyOf(request, undefined)
      const submission = bookingChangeSubmission(context, request, 'cancel_booking', id, { key, userId })
      return submitChange(commands, request, reply, {
        submission,
        url: `/bookings/${id}`,
        message: 'Cancellation accepted and queued for processing',
        askStore: (at) => cancelBookingOutcome(deps, { id, caller: submission.owner }, at),
        send: (outcome) => sendBooking(request, reply, id, outcome, 200),
      })
    },
  })
}

function accepted(
  commands: Commands,
  request: FastifyRequest,
  { id, items }: BookSubmission,
  userId: string,
  place: LogPlace,
): Omit<AcceptedBooking, 'id' | 'items'> & Pick<BookSubmission, 'id' | 'items'> {
  const message = 'Booking request accepted and queued for processing'
  return { id, user_id: userId, items, message, ...acceptedFields(commands, id, place, request) }
}

/** `madeStatus` where it holds its units; a repeat whose booking has ended since made nothing now: 200. */
function sendBooking(
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
  { code, detail, booking }: CommandOutcome,
  madeStatus: 200 | 201,
): FastifyReply {
  const failedSlotId = booking?.failed_slot_id
  if (code !== 'ok') return sendProblem(request, reply, { code, detail, id, failedSlotId })
  if (booking === undefined) throw new Error(`the outcome of ${id} has no booking`)
  const isHeld = booking.status === 'held' || booking.status === 'confirmed'
  return sendPrivate(reply, isHeld ? madeStatus : 200, `/bookings/${id}`, booking)
}
