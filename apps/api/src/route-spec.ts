/** What the table of routes says of a route, and what routes have in common. */
import { acceptedCommandSchema } from '@ironsys/contracts'
import type { z } from 'zod'
import type { Access } from './access.ts'
import type { AnswerHeader } from './answer-headers.ts'
import type { ProblemCode } from './errors.ts'

export interface RouteAnswer {
  readonly description: string
  readonly schema?: z.ZodType
  /** The type of another form of it, which `Accept` asks for. */
  readonly otherType?: string
  /** Its type, where it is not JSON. */
  readonly onlyType?: string
  /** Beyond those that all answers have, and those that answer a request header. */
  readonly headers?: readonly AnswerHeader[]
}

export interface RouteSpec {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Fastify's pattern. */
  readonly url: string
  readonly operationId: string
  readonly tag: 'slots' | 'reservations' | 'bookings' | 'operations'
  readonly summary: string
  /** Confirms or cancels: has a rate limit apart from what begins. */
  readonly finishes?: true
  /** Who may use it. */
  readonly access: Access
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly body?: z.ZodObject
  /** No body is the same as an empty object. */
  readonly bodyOptional?: boolean
  /** Where clients should read another schema than the one that is checked first. */
  readonly documentedBody?: z.ZodObject
  readonly bodyLimitBytes?: number
  /** Request headers it understands. */
  readonly headers: readonly RequestHeader[]
  readonly answers: Readonly<Record<number, RouteAnswer>>
  /** Beyond those that {@link problemsOf} adds. */
  readonly problems: readonly ProblemCode[]
}

export type RequestHeader = 'Idempotency-Key' | 'Prefer' | 'If-None-Match' | 'Accept' | 'Last-Event-ID'

export const commandProblems = ['overloaded', 'log-unavailable', 'outcome-unknown'] as const
export const commandHeaders = ['Idempotency-Key', 'Prefer'] as const

/** The answer to a command: `description` of what the schema shows. */
export function commandAnswer(description: string, schema: z.ZodType) {
  return { description, schema, headers: ['Location'] } as const satisfies RouteAnswer
}

export const acceptedCommand = commandAnswer('Durable in the log; not decided yet.', acceptedCommandSchema)

/** What reserving one slot and booking several have in common, made by a request: `noun` is what. */
export function makingAnswers(noun: 'reservation' | 'booking', schema: z.ZodType) {
  return {
    200: commandAnswer(
      `A repeat of a request whose ${noun} was cancelled or has expired since (with \`Prefer: wait\`).`,
      schema,
    ),
    201: commandAnswer('Confirmed or held (with `Prefer: wait`).', schema),
  } as const
}

export const makingProblems = [
  ...commandProblems,
  'sold-out',
  'limit-exceeded',
  'slot-not-found',
  'slot-closed',
  'sales-not-open',
  'idempotency-key-reused',
] as const

/** Of GET, for what is made by a command and known by its cursor. */
export function statusProblems(notFound: 'reservation-not-found' | 'booking-not-found') {
  return [
    'not-decided-or-unknown',
    notFound,
    'idempotency-key-reused',
    'invalid-cursor',
    'reads-unavailable',
  ] as const
}

export function cancelAnswers(schema: z.ZodType) {
  return { 200: commandAnswer('Cancelled (with `Prefer: wait`).', schema), 202: acceptedCommand } as const
}
