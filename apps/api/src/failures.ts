/** What a request that fails is answered, on both ports. */
import type { Logger } from '@ironsys/telemetry'
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'
import type { ProblemCode } from './errors.ts'
import { type Problem, ProblemError, sendProblem, statusOf } from './problem.ts'
import { identityOf } from './route.ts'

/** Every error that a handler throws becomes a problem document; faults of ours are logged. */
export function answerFailures(app: FastifyInstance, logger: Logger): void {
  const isNews = createOutageNews()
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const problem = problemOfError(error)
    const isOurs = problem === null || statusOf(problem.code) >= 500
    if (isOurs && (problem === null || isNews(problem.code))) logFailure(logger, request, error)
    return sendProblem(request, reply, problem ?? { code: 'internal' })
  })
}

export function malformed(detail: string): ProblemError {
  return new ProblemError({ code: 'malformed-json', errors: [{ in: 'body', pointer: '', detail }] })
}

const frameworkProblems: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed-json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed-json',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
}

/** Null for what is a fault of ours. */
export function problemOfError(error: FastifyError | ProblemError): Problem | null {
  if (error instanceof ProblemError) return error.problem
  const code = frameworkProblems[error.code]
  if (code === 'malformed-json') return malformed(error.message).problem
  if (code === 'body-too-large')
    return { code, errors: [{ in: 'body', pointer: '', detail: 'is too large' }] }
  if (code !== undefined) return { code }
  const status = error.statusCode ?? 500
  return status >= 400 && status < 500 ? { code: 'bad-request' } : null
}

/** Refusals that come by the thousand while something is out or full. */
const outages: ReadonlySet<ProblemCode> = new Set(['log-unavailable', 'overloaded', 'reads-unavailable'])
const OUTAGE_LINE_EVERY_MS = 1000

/** True at most once a second for each kind of outage, and always for what is none. */
function createOutageNews(): (code: ProblemCode) => boolean {
  const saidMs = new Map<ProblemCode, number>()
  return (code) => {
    if (!outages.has(code)) return true
    const nowMs = performance.now()
    const isNews = nowMs - (saidMs.get(code) ?? Number.NEGATIVE_INFINITY) >= OUTAGE_LINE_EVERY_MS
    if (isNews) saidMs.set(code, nowMs)
    return isNews
  }
}

/**
 * The cause of a 5xx, for the operator only, under the route's pattern: a path may name a user. Of an outage it is one line
 * a second; the metrics count them all.
 */
function logFailure(logger: Logger, request: FastifyRequest, error: Error): void {
  const fields = { ...identityOf(request), method: request.method, route: request.routeOptions.url ?? 'none' }
  if (error instanceof ProblemError)
    logger.warn({ ...fields, code: error.problem.code, err: error.cause }, 'refused')
  else logger.error({ ...fields, err: error }, 'unexpected error')
}
