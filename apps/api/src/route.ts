/** What a route of the table is registered with: its schemas, its limits, and what is counted and logged of each answer. */
import type { IncomingMessage } from 'node:http'
import { type CounterCell, type RequestSpan, traceIdOf } from '@ironsys/telemetry'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiDeps, ApiOptions } from './deps.ts'
import { endpointOf } from './limits.ts'
import type { RouteSpec } from './route-spec.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** No body is the same as an empty object. */
    bodyOptional?: boolean
  }
  interface FastifyRequest {
    /** Refused because there was too much to do: told once, not for each. */
    isShed: boolean
    /** Of a request that is traced. */
    span: RequestSpan | null
  }
}

/** What requests that no route fits are counted under. */
export const UNROUTED = 'none'

/** An answered request, as far as it is counted, traced and logged. */
export type Seen = Pick<FastifyRequest, 'id' | 'span' | 'raw'> & Partial<Pick<FastifyRequest, 'isShed'>>
export type Observe = (request: Seen, reply: Pick<FastifyReply, 'statusCode' | 'elapsedTime'>) => void

export interface RouteContext {
  readonly deps: ApiDeps
  readonly options: ApiOptions
}

/** The route's part of Fastify's options; the handler comes with its types from whoever registers it. */
export function routeOptions(context: RouteContext, spec: RouteSpec) {
  const observe = createObserve(context, spec.url, spec.method)
  return {
    method: spec.method,
    url: spec.url,
    schema: {
      ...(spec.params && { params: spec.params }),
      ...(spec.query && { querystring: spec.query }),
      ...(spec.body && { body: spec.body }),
    },
    config: { bodyOptional: spec.bodyOptional === true, access: spec.access, endpoint: endpointOf(spec) },
    ...(spec.bodyOptional === true && { preValidation: fillBody }),
    ...(spec.bodyLimitBytes !== undefined && { bodyLimit: spec.bodyLimitBytes }),
    onResponse: (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
      observe(request, reply)
      done()
    },
  }
}

function fillBody(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  // Not of `null`, which is a body.
  if (request.body === undefined) request.body = {}
  done()
}

/** Counts an answer under its route's pattern, with cells bound once, and logs it when it is worth a line. */
export function createObserve({ deps, options }: RouteContext, route: string, method: string): Observe {
  const { metrics, logger } = deps
  const seconds = metrics.httpSeconds.with({ route })
  const byStatus = new Map<number, CounterCell>()
  let seen = 0
  return (request, reply) => {
    const status = reply.statusCode
    const elapsedMs = reply.elapsedTime
    seconds.observe(elapsedMs / 1000)
    let cell = byStatus.get(status)
    if (cell === undefined) {
      cell = metrics.httpRequests.with({ route, method, status: String(status) })
      byStatus.set(status, cell)
    }
    cell.inc()
    request.span?.end({ route: route === UNROUTED ? null : route, status, requestId: request.id })
    const slow = elapsedMs > options.slowRequestMs() && !waitsOnPurpose(request.raw)
    const logOneOf = options.logOneOf()
    const chosen = logOneOf > 0 && ++seen % logOneOf === 0
    const isQuiet = request.isShed === true || route.startsWith('/health')
    if (!slow && !chosen && (status < 500 || request.isShed === true) && !logger.isLevelEnabled('debug'))
      return
    const fields = {
      ...identityOf(request),
      method: request.raw.method,
      route,
      status,
      elapsed_ms: Math.round(elapsedMs),
    }
    if (status >= 500 && !isQuiet) logger.error(fields, 'request failed')
    else if (slow) logger.warn(fields, 'slow request')
    else if (chosen) logger.info(fields, 'request')
    else logger.debug(fields, 'request')
  }
}

/** What a line of the log says a request by. */
export function identityOf({ id, span, raw }: Seen) {
  const traceId = span?.traceId ?? traceIdOf(raw.headers)
  return { request_id: id, ...(traceId !== undefined && { trace_id: traceId }) }
}

function waitsOnPurpose({ headers, url = '' }: IncomingMessage): boolean {
  return headers.prefer !== undefined || /[?&](wait|min_version)=/.test(url)
}
