/** Problem documents (RFC 9457): how they are made and sent. */
import type { ProblemDocument, SlotId } from '@ironsys/contracts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type ProblemCode, problemTable } from './errors.ts'

export type FieldError = NonNullable<ProblemDocument['errors']>[number]

export interface Problem {
  readonly code: ProblemCode
  readonly detail?: string | undefined
  readonly errors?: readonly FieldError[] | undefined
  /** What the problem is about, where it has an id. */
  readonly id?: string | undefined
  /** Of a booking: the slot that could not be had. */
  readonly failedSlotId?: SlotId | undefined
  /** With `outcome-unknown`: what to repeat the request with. */
  readonly idempotencyKey?: string | undefined
  /** For `WWW-Authenticate`. */
  readonly challenge?: string | undefined
  /** Whole seconds, for `Retry-After`. */
  readonly retryAfterSeconds?: number | undefined
}

/** Ends a request with a problem, from wherever it is found. Its cause is logged and never shown. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly problem: Problem

  constructor(problem: Problem, cause?: unknown) {
    super(problem.detail ?? problem.code, { cause })
    this.problem = problem
  }
}

export function invalid(where: FieldError['in'], pointer: string, detail: string): ProblemError {
  return new ProblemError({ code: 'invalid-request', errors: [{ in: where, pointer, detail }] })
}

export function problemDocument(problem: Problem, requestId?: string, instance?: string): ProblemDocument {
  const { status, title, when } = problemTable[problem.code]
  return {
    type: `/problems/${problem.code}`,
    title,
    status,
    detail: problem.detail ?? when,
    ...(instance !== undefined && { instance }),
    code: problem.code,
    ...(requestId !== undefined && { request_id: requestId }),
    ...(problem.id !== undefined && { id: problem.id }),
    ...(problem.failedSlotId !== undefined && { failed_slot_id: problem.failedSlotId }),
    ...(problem.idempotencyKey !== undefined && { idempotency_key: problem.idempotencyKey }),
    ...(problem.errors !== undefined && { errors: [...problem.errors] }),
  }
}

export const problemContentType = 'application/problem+json; charset=utf-8'

export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const document = problemDocument(problem, request.id, pathOf(request.url))
  if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', String(problem.retryAfterSeconds))
  if (problem.challenge !== undefined) reply.header('www-authenticate', problem.challenge)
  reply.problemCode = problem.code
  return reply
    .code(document.status)
    .header('content-type', problemContentType)
    .header('cache-control', 'private, no-store')
    .send(JSON.stringify(document))
}

export function statusOf(code: ProblemCode): number {
  return problemTable[code].status
}

/** The path of a request's URL, without its query. */
export function pathOf(url: string): string {
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}
