/** The OpenAPI 3.1 document, built from the table of routes and the zod schemas. Its order is stable. */
import {
  acceptedBookingSchema,
  acceptedCommandSchema,
  acceptedReservationSchema,
  auditDocumentSchema,
  bookingDocumentSchema,
  bookRequestSchema,
  confirmBookingRequestSchema,
  confirmRequestSchema,
  createSlotRequestSchema,
  healthSchema,
  limits,
  problemSchema,
  reservationDocumentSchema,
  reservationPageSchema,
  reserveBatchAnswerSchema,
  reserveBatchRequestSchema,
  reserveRequestSchema,
  slotDocumentSchema,
  slotPageSchema,
  slotSnapshotSchema,
  slotStreamMessageSchema,
  updateSlotRequestSchema,
} from '@ironsys/contracts'
import { z } from 'zod'
import {
  type AnswerHeader,
  answerHeaders,
  answersTo,
  everyAnswer,
  limitHeaders,
  problemHeaders,
} from './answer-headers.ts'
import { type ProblemCode, problemTable } from './errors.ts'
import { tellsLimits } from './limits.ts'
import { accessText, linksOf, rulesAcrossFields } from './openapi-details.ts'
import type { RequestHeader, RouteAnswer, RouteSpec } from './route-spec.ts'
import { problemsOf, routeList } from './routes.ts'

type Json = Record<string, unknown>

const requestNames = new Map<z.ZodType, string>([
  [createSlotRequestSchema, 'CreateSlotRequest'],
  [updateSlotRequestSchema, 'UpdateSlotRequest'],
  [reserveRequestSchema, 'ReserveRequest'],
  [reserveBatchRequestSchema, 'ReserveBatchRequest'],
  [confirmRequestSchema, 'ConfirmRequest'],
  [bookRequestSchema, 'BookRequest'],
  [confirmBookingRequestSchema, 'ConfirmBookingRequest'],
])

const answerNames = new Map<z.ZodType, string>([
  [acceptedBookingSchema, 'AcceptedBooking'],
  [acceptedCommandSchema, 'AcceptedCommand'],
  [acceptedReservationSchema, 'AcceptedReservation'],
  [auditDocumentSchema, 'Audit'],
  [bookingDocumentSchema, 'Booking'],
  [healthSchema, 'Health'],
  [problemSchema, 'Problem'],
  [reservationDocumentSchema, 'Reservation'],
  [reservationPageSchema, 'ReservationPage'],
  [reserveBatchAnswerSchema, 'ReserveBatchAnswer'],
  [slotDocumentSchema, 'Slot'],
  [slotPageSchema, 'SlotPage'],
  [slotSnapshotSchema, 'SlotSnapshot'],
  [slotStreamMessageSchema, 'SlotStreamMessage'],
])

const headerParameters: Readonly<Record<RequestHeader, Json>> = {
  'Idempotency-Key': {
    description:
      'Makes repeats of this request have one effect. Wins over the `idempotency_key` of the body. 1–255 printable ASCII characters.',
    // Spaces at the ends are no part of a header's value.
    schema: { type: 'string', maxLength: 255, pattern: '^[\\x21-\\x7e]([\\x20-\\x7e]*[\\x21-\\x7e])?$' },
  },
  Prefer: {
    description: `\`wait=N\`: wait up to N seconds (1–${limits.waitSecondsMax}) for the decision.`,
    schema: { type: 'string', examples: ['wait=10'] },
  },
  Accept: {
    description: 'The form of the answer.',
    schema: { type: 'string', examples: ['text/csv'] },
  },
  'If-None-Match': {
    description: 'The `ETag` of an earlier answer: 304 when it is still the current version.',
    schema: { type: 'string' },
  },
  'Last-Event-ID': {
    description: 'The `id` of the last event that the client has: its snapshot is not sent again.',
    schema: { type: 'string' },
  },
}

export function openApiDocument(): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'IronSys',
      version: '1.0.0',
      description: 'Sells things that run out: no oversell, nothing lost, whatever crashes.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [
      { name: 'slots', description: 'What can be reserved.' },
      { name: 'reservations', description: 'Who has it.' },
      { name: 'bookings', description: 'Several slots or none.' },
      { name: 'operations', description: 'Whether it works.' },
    ],
    paths: pathsOf(routeList),
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description:
            'A JWT, or an API key (`iron_…`). The words of a requirement are scopes: `operate` includes `reserve`, `admin` both. Without `operate` a caller sees and touches only what belongs to its own user.',
        },
      },
      schemas: { ...componentSchemas(requestNames, 'input'), ...componentSchemas(answerNames, 'output') },
      headers: answerHeaders,
    },
  }
}

function pathsOf(list: readonly RouteSpec[]): Json {
  const paths: Record<string, Json> = {}
  for (const route of list) {
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) }
  }
  return paths
}

function operation(route: RouteSpec): Json {
  const body = route.documentedBody ?? route.body
  const parameters = [
    ...parametersOf(route.params, 'path'),
    ...parametersOf(route.query, 'query'),
    ...route.headers.map((name) => ({ name, in: 'header', required: false, ...headerParameters[name] })),
  ]
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    description: accessText(route),
    security: route.access === 'public' ? [] : [{ bearer: [route.access.scope] }],
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: route.bodyOptional !== true,
        content: { 'application/json': { schema: schemaOf(body, requestNames) } },
      },
    }),
    responses: responsesOf(route),
  }
}

function parametersOf(schema: z.ZodObject | undefined, place: 'path' | 'query'): Json[] {
  return Object.entries(schema?.shape ?? {}).map(([name, field]) => {
    const { description, ...rest } = jsonSchema(z.optional(field), 'output')
    return { name, in: place, required: place === 'path', description, schema: rest }
  })
}

/** No status is both an answer of the table and a problem. */
function responsesOf(route: RouteSpec): Json {
  const told = [
    ...route.headers.flatMap((name) => answersTo[name] ?? []),
    ...(tellsLimits(route) ? limitHeaders : []),
  ]
  const responses: Record<string, Json> = {}
  for (const [status, answer] of Object.entries(route.answers)) {
    const common = status === '101' ? [] : [...everyAnswer, ...told]
    const headers = headersOf([...common, ...(answer.headers ?? [])])
    responses[status] = { ...answerResponse(answer), headers, ...linksOf(route) }
  }
  const byStatus = Map.groupBy(problemsOf(route), (code) => problemTable[code].status)
  for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b)) {
    const own = codes.flatMap((code) => problemHeaders[code] ?? [])
    responses[status] = { ...problemResponse(codes), headers: headersOf([...everyAnswer, ...told, ...own]) }
  }
  return responses
}

function headersOf(names: readonly AnswerHeader[]): Json {
  const sorted = [...new Set(names)].sort()
  return Object.fromEntries(sorted.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
}

function answerResponse({ description, schema, otherType, onlyType }: RouteAnswer): Json {
  if (schema === undefined) return { description }
  const json = { [onlyType ?? 'application/json']: { schema: schemaOf(schema, answerNames) } }
  const other = otherType === undefined ? {} : { [otherType]: { schema: { type: 'string' } } }
  return { description, content: { ...json, ...other } }
}

function problemResponse(codes: readonly ProblemCode[]): Json {
  return {
    description: codes.map((code) => `\`${code}\`: ${problemTable[code].when}`).join('\n\n'),
    content: { 'application/problem+json': { schema: problemSchemaOf(codes) } },
  }
}

/** The closed list of its codes, for machines. */
function problemSchemaOf(codes: readonly ProblemCode[]): Json {
  const properties = { code: { enum: codes, description: 'One of these.' } }
  return { allOf: [{ $ref: '#/components/schemas/Problem' }, { type: 'object', properties }] }
}

function componentSchemas(names: ReadonlyMap<z.ZodType, string>, io: 'input' | 'output'): Json {
  const sorted = [...names].sort(([, a], [, b]) => (a < b ? -1 : 1))
  return Object.fromEntries(
    sorted.map(([schema, name]) => [name, { ...jsonSchema(schema, io), ...rulesAcrossFields.get(schema) }]),
  )
}

function schemaOf(schema: z.ZodType, names: ReadonlyMap<z.ZodType, string>): Json {
  const name = names.get(schema)
  if (name !== undefined) return { $ref: `#/components/schemas/${name}` }
  if (!(schema instanceof z.ZodUnion)) return jsonSchema(schema, 'output')
  const options = schema.options.filter((option) => option instanceof z.ZodType)
  return { anyOf: options.map((option) => schemaOf(option, names)) }
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' })
  return rest
}
