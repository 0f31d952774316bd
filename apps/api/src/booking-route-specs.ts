/** The routes of bookings. */
import {
  acceptedBookingSchema,
  bookingAnswerSchema,
  bookingDocumentSchema,
  bookingParamsSchema,
  bookRequestSchema,
  cancelQuerySchema,
  confirmBookingRequestSchema,
  reservationQuerySchema,
} from '@ironsys/contracts'
import { acceptedCommand, commandHeaders, commandProblems, type RouteSpec } from './route-spec.ts'

export const bookingRouteSpecs = {
  book: {
    method: 'POST',
    url: '/bookings',
    operationId: 'book',
    tag: 'bookings',
    summary: 'Reserve units of several slots, or of none',
    body: bookRequestSchema,
    headers: commandHeaders,
    answers: {
      200: {
        description:
          'A repeat of a request whose booking was cancelled or has expired since (with `Prefer: wait`).',
        schema: bookingDocumentSchema,
      },
      201: { description: 'Confirmed or held (with `Prefer: wait`).', schema: bookingDocumentSchema },
      202: { description: 'Durable in the log; not decided yet.', schema: acceptedBookingSchema },
    },
    problems: [
      ...commandProblems,
      'sold-out',
      'limit-exceeded',
      'slot-not-found',
      'slot-closed',
      'sales-not-open',
      'booking-timed-out',
      'idempotency-key-reused',
    ],
  },
  getBooking: {
    method: 'GET',
    url: '/bookings/:id',
    operationId: 'getBooking',
    tag: 'bookings',
    summary: 'A booking, or its place in the queue',
    params: bookingParamsSchema,
    query: reservationQuerySchema,
    headers: [],
    answers: { 200: { description: 'What is known of it.', schema: bookingAnswerSchema } },
    problems: [
      'not-decided-or-unknown',
      'booking-not-found',
      'idempotency-key-reused',
      'invalid-cursor',
      'reads-unavailable',
    ],
  },
  confirmBooking: {
    method: 'POST',
    url: '/bookings/:id/confirm',
    operationId: 'confirmBooking',
    tag: 'bookings',
    summary: 'Confirm a held booking',
    params: bookingParamsSchema,
    body: confirmBookingRequestSchema,
    bodyOptional: true,
    headers: commandHeaders,
    answers: {
      200: { description: 'Confirmed (with `Prefer: wait`).', schema: bookingDocumentSchema },
      202: acceptedCommand,
    },
    problems: [...commandProblems, 'booking-not-found', 'not-confirmable', 'hold-expired'],
  },
  cancelBooking: {
    method: 'DELETE',
    url: '/bookings/:id',
    operationId: 'cancelBooking',
    tag: 'bookings',
    summary: 'Cancel a booking; its units become available',
    params: bookingParamsSchema,
    query: cancelQuerySchema,
    headers: commandHeaders,
    answers: {
      200: { description: 'Cancelled (with `Prefer: wait`).', schema: bookingDocumentSchema },
      202: acceptedCommand,
    },
    problems: [...commandProblems, 'booking-not-found', 'not-cancellable'],
  },
} as const satisfies Record<string, RouteSpec>
