/** What the table of routes says of a route, and what routes have in common. */
import { acceptedCommandSchema } from '@ironsys/contracts'
import type { z } from 'zod'
import type { ProblemCode } from './errors.ts'

export interface RouteAnswer {
  readonly description: string
  readonly schema?: z.ZodType
  /** The type of another form of it, which `Accept` asks for. */
  readonly otherType?: string
  /** Its type, where it is not JSON. */
  readonly onlyType?: string
}

export interface RouteSpec {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Fastify's pattern. */
  readonly url: string
  readonly operationId: string
  readonly tag: 'slots' | 'reservations' | 'bookings' | 'operations'
  readonly summary: string
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

export const acceptedCommand: RouteAnswer = {
  description: 'Durable in the log; not decided yet.',
  schema: acceptedCommandSchema,
}
