/** The routes of reservations. */
import {
  acceptedCommandSchema,
  acceptedReservationSchema,
  cancelQuerySchema,
  confirmRequestSchema,
  reservationAnswerSchema,
  reservationDocumentSchema,
  reservationPageSchema,
  reservationParamsSchema,
  reservationQuerySchema,
  reserveBatchAnswerSchema,
  reserveBatchEnvelopeSchema,
  reserveBatchRequestSchema,
  reserveRequestSchema,
  userParamsSchema,
  userReservationsQuerySchema,
} from '@ironsys/contracts'
import { z } from 'zod'
import {
  cancelAnswers,
  commandAnswer,
  commandHeaders,
  commandProblems,
  makingAnswers,
  makingProblems,
  type RouteSpec,
  statusProblems,
} from './route-spec.ts'

/** A batch of 1000 with 4 KiB of metadata each, and room for escapes. */
const BATCH_BODY_BYTES = 6 * 1024 * 1024

const reserveAcceptedSchema = z.union([acceptedReservationSchema, reservationDocumentSchema])
const changeAcceptedSchema = z.union([acceptedCommandSchema, reservationDocumentSchema])

export const reservationRouteSpecs = {
  reserve: {
    method: 'POST',
    url: '/reservations',
    operationId: 'reserve',
    tag: 'reservations',
    summary: 'Reserve units of a slot',
    body: reserveRequestSchema,
    headers: commandHeaders,
    answers: {
      ...makingAnswers('reservation', reservationDocumentSchema),
      202: commandAnswer(
        'Durable in the log and not decided yet; or (with `Prefer: wait`) on the waitlist.',
        reserveAcceptedSchema,
      ),
    },
    problems: makingProblems,
  },
  reserveBatch: {
    method: 'POST',
    url: '/reservations/batch',
    operationId: 'reserveBatch',
    tag: 'reservations',
    summary: 'Up to 1000 reservations, each accepted or refused on its own',
    body: reserveBatchEnvelopeSchema,
    documentedBody: reserveBatchRequestSchema,
    bodyLimitBytes: BATCH_BODY_BYTES,
    headers: ['Idempotency-Key'],
    answers: { 202: { description: 'One answer per item, in order.', schema: reserveBatchAnswerSchema } },
    problems: ['overloaded', 'log-unavailable'],
  },
  getReservation: {
    method: 'GET',
    url: '/reservations/:id',
    operationId: 'getReservation',
    tag: 'reservations',
    summary: 'A reservation, or its place in the queue',
    params: reservationParamsSchema,
    query: reservationQuerySchema,
    headers: [],
    answers: { 200: { description: 'What is known of it.', schema: reservationAnswerSchema } },
    problems: statusProblems('reservation-not-found'),
  },
  confirmReservation: {
    method: 'POST',
    url: '/reservations/:id/confirm',
    operationId: 'confirmReservation',
    tag: 'reservations',
    summary: 'Confirm a hold',
    params: reservationParamsSchema,
    body: confirmRequestSchema,
    bodyOptional: true,
    headers: commandHeaders,
    answers: {
      200: commandAnswer(
        'Confirmed; or held anew, with `late: waitlist` (with `Prefer: wait`).',
        reservationDocumentSchema,
      ),
      202: commandAnswer(
        'Durable in the log and not decided yet; or (with `Prefer: wait`) too late, and on the waitlist.',
        changeAcceptedSchema,
      ),
    },
    problems: [
      ...commandProblems,
      'reservation-not-found',
      'not-confirmable',
      'hold-expired',
      'refund-required',
      'part-of-booking',
      'idempotency-key-reused',
    ],
  },
  cancelReservation: {
    method: 'DELETE',
    url: '/reservations/:id',
    operationId: 'cancelReservation',
    tag: 'reservations',
    summary: 'Cancel a reservation; its units go to the waitlist, or become available',
    params: reservationParamsSchema,
    query: cancelQuerySchema,
    headers: commandHeaders,
    answers: cancelAnswers(reservationDocumentSchema),
    problems: [...commandProblems, 'reservation-not-found', 'not-cancellable', 'part-of-booking'],
  },
  listUserReservations: {
    method: 'GET',
    url: '/users/:user_id/reservations',
    operationId: 'listUserReservations',
    tag: 'reservations',
    summary: "A user's reservations, the newest first, in pages",
    params: userParamsSchema,
    query: userReservationsQuerySchema,
    headers: [],
    answers: { 200: { description: 'One page.', schema: reservationPageSchema } },
    problems: ['invalid-cursor', 'reads-unavailable'],
  },
} as const satisfies Record<string, RouteSpec>
