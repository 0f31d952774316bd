/** Every route, declared once: Fastify registers from this table, and OpenAPI is built from it. */
import {
  acceptedCommandSchema,
  acceptedReservationSchema,
  auditDocumentSchema,
  createSlotRequestSchema,
  healthSchema,
  reservationAnswerSchema,
  reservationDocumentSchema,
  reservationParamsSchema,
  reservationQuerySchema,
  reserveBatchAnswerSchema,
  reserveBatchEnvelopeSchema,
  reserveBatchRequestSchema,
  reserveRequestSchema,
  slotDocumentSchema,
  slotPageSchema,
  slotParamsSchema,
  slotQuerySchema,
  slotSnapshotSchema,
  slotsQuerySchema,
  updateSlotRequestSchema,
} from '@ironsys/contracts'
import type { z } from 'zod'
import type { ProblemCode } from './errors.ts'

export interface RouteAnswer {
  readonly description: string
  readonly schema?: z.ZodType
}

export interface RouteSpec {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Fastify's pattern. */
  readonly url: string
  readonly operationId: string
  readonly tag: 'slots' | 'reservations' | 'operations'
  readonly summary: string
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly body?: z.ZodObject
  /** Where clients should read another schema than the one that is checked first. */
  readonly documentedBody?: z.ZodObject
  readonly bodyLimitBytes?: number
  /** Request headers it understands. */
  readonly headers: readonly RequestHeader[]
  readonly answers: Readonly<Record<number, RouteAnswer>>
  /** Beyond those that {@link problemsOf} adds. */
  readonly problems: readonly ProblemCode[]
}

export type RequestHeader = 'Idempotency-Key' | 'Prefer' | 'If-None-Match'

/** A batch of 1000 with 4 KiB of metadata each, and room for escapes. */
const BATCH_BODY_BYTES = 6 * 1024 * 1024

const commandProblems = ['overloaded', 'log-unavailable', 'outcome-unknown'] as const
const commandHeaders = ['Idempotency-Key', 'Prefer'] as const

const acceptedCommand: RouteAnswer = {
  description: 'Durable in the log; not decided yet.',
  schema: acceptedCommandSchema,
}

export const routes = {
  createSlot: {
    method: 'POST',
    url: '/slots',
    operationId: 'createSlot',
    tag: 'slots',
    summary: 'Create a slot',
    body: createSlotRequestSchema,
    headers: commandHeaders,
    answers: {
      201: { description: 'Created (with `Prefer: wait`).', schema: slotDocumentSchema },
      202: acceptedCommand,
    },
    problems: [...commandProblems, 'slot-exists'],
  },
  updateSlot: {
    method: 'PATCH',
    url: '/slots/:id',
    operationId: 'updateSlot',
    tag: 'slots',
    summary: 'Rename, resize, close or open a slot',
    params: slotParamsSchema,
    body: updateSlotRequestSchema,
    headers: commandHeaders,
    answers: {
      200: { description: 'Changed (with `Prefer: wait`).', schema: slotDocumentSchema },
      202: acceptedCommand,
    },
    problems: [...commandProblems, 'slot-not-found', 'capacity-in-use', 'idempotency-key-reused'],
  },
  listSlots: {
    method: 'GET',
    url: '/slots',
    operationId: 'listSlots',
    tag: 'slots',
    summary: 'Slots by start time, in pages',
    query: slotsQuerySchema,
    headers: [],
    answers: { 200: { description: 'One page.', schema: slotPageSchema } },
    problems: ['invalid-cursor', 'reads-unavailable'],
  },
  getSlot: {
    method: 'GET',
    url: '/slots/:id',
    operationId: 'getSlot',
    tag: 'slots',
    summary: 'A slot, from its snapshot',
    params: slotParamsSchema,
    query: slotQuerySchema,
    headers: ['If-None-Match'],
    answers: {
      200: { description: 'The snapshot; `Age` says how old it may be.', schema: slotSnapshotSchema },
      304: { description: 'The version named by `If-None-Match` is the current one.' },
    },
    problems: ['slot-not-found', 'version-not-reached', 'reads-unavailable'],
  },
  auditSlot: {
    method: 'GET',
    url: '/slots/:id/audit',
    operationId: 'auditSlot',
    tag: 'slots',
    summary: "A slot's units, recomputed from its ledger",
    params: slotParamsSchema,
    headers: [],
    answers: { 200: { description: 'The proof.', schema: auditDocumentSchema } },
    problems: ['slot-not-found', 'reads-unavailable'],
  },
  reserve: {
    method: 'POST',
    url: '/reservations',
    operationId: 'reserve',
    tag: 'reservations',
    summary: 'Reserve units of a slot',
    body: reserveRequestSchema,
    headers: commandHeaders,
    answers: {
      200: {
        description: 'A repeat of a request whose reservation was cancelled since (with `Prefer: wait`).',
        schema: reservationDocumentSchema,
      },
      201: { description: 'Confirmed (with `Prefer: wait`).', schema: reservationDocumentSchema },
      202: { description: 'Durable in the log; not decided yet.', schema: acceptedReservationSchema },
    },
    problems: [
      ...commandProblems,
      'sold-out',
      'slot-not-found',
      'slot-closed',
      'sales-not-open',
      'idempotency-key-reused',
    ],
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
    problems: ['not-decided-or-unknown', 'invalid-cursor', 'reads-unavailable'],
  },
  cancelReservation: {
    method: 'DELETE',
    url: '/reservations/:id',
    operationId: 'cancelReservation',
    tag: 'reservations',
    summary: 'Cancel a reservation; its units become available',
    params: reservationParamsSchema,
    headers: commandHeaders,
    answers: {
      200: { description: 'Cancelled (with `Prefer: wait`).', schema: reservationDocumentSchema },
      202: acceptedCommand,
    },
    problems: [...commandProblems, 'reservation-not-found', 'not-cancellable'],
  },
  healthLive: {
    method: 'GET',
    url: '/health/live',
    operationId: 'healthLive',
    tag: 'operations',
    summary: 'Whether the process runs',
    headers: [],
    answers: { 200: { description: 'It does.' } },
    problems: [],
  },
  healthReady: {
    method: 'GET',
    url: '/health/ready',
    operationId: 'healthReady',
    tag: 'operations',
    summary: 'Whether it can answer reads or writes',
    headers: [],
    answers: {
      200: { description: 'It can; `degraded` where a dependency is missing.', schema: healthSchema },
      503: { description: 'It cannot, or it is shutting down.', schema: healthSchema },
    },
    problems: [],
  },
  health: {
    method: 'GET',
    url: '/api/v1/health',
    operationId: 'health',
    tag: 'operations',
    summary: 'The same, always answered with 200',
    headers: [],
    answers: { 200: { description: 'A summary.', schema: healthSchema } },
    problems: [],
  },
} as const satisfies Record<string, RouteSpec>

export const routeList: readonly RouteSpec[] = Object.values(routes)

/** Every problem a route may answer, in the order of the table. */
export function problemsOf(route: RouteSpec): readonly ProblemCode[] {
  const body: ProblemCode[] = ['malformed-json', 'body-too-large', 'unsupported-media-type']
  const checked = route.params ?? route.query ?? route.body ?? (route.headers.length > 0 || undefined)
  return [
    'bad-request',
    ...(route.body === undefined ? [] : body),
    ...(checked === undefined ? [] : (['invalid-request'] as const)),
    ...route.problems,
    'internal',
  ]
}
