/**
 * Refuses new work on the bare server, before Fastify hears of it: while most of what comes is refused, what a refusal costs
 * is what is missing for the rest. As fast-path.ts does for reads (docs/adr/0007-fast-path.md): what it answers is what
 * shedding.ts would answer, and it is counted, timed, logged and traced as that is; whatever is special is left to the route.
 */
import { Buffer } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { FastPath } from './fast-path.ts'
import { namesHost } from './http-rules.ts'
import { endpointOf } from './limits.ts'
import { problemContentType, problemDocument, statusOf } from './problem.ts'
import type { RequestIds } from './request-id.ts'
import { createObserve, type Observe, type RouteContext } from './route.ts'
import { routeList } from './routes.ts'
import { securityHeaderList } from './security-headers.ts'
import { shedCounter, workOf } from './shedding.ts'

const STATUS = statusOf('overloaded')
const ID = '{id}'

/** `passed`: takes down what it has looked at and let pass, so that it is not looked at twice. */
export function createShedPath(
  context: RouteContext,
  requestIds: RequestIds,
  passed: WeakSet<IncomingMessage>,
): FastPath {
  const { shedder, health, tracing, metrics } = context.deps
  const shedRoutes = shedRoutesOf(context)
  const count = shedCounter(metrics)
  const hasOrigins = context.options.corsOrigins.size > 0
  const always = hasOrigins ? [...securityHeaderList, 'vary', 'origin'] : securityHeaderList
  return (request, response) => {
    const url = request.url ?? ''
    const route = request.method === 'POST' ? shedRoutes.get(url) : undefined
    if (route === undefined || health.draining() || !namesHost(request)) return false
    if (hasOrigins && request.headers.origin !== undefined) return false
    const startedMs = performance.now()
    const refusal = shedder.refusal('new')
    if (refusal === null) {
      passed.add(request)
      return false
    }
    count(refusal.reason, 'new')
    const id = requestIds(request)
    const span = tracing === null ? null : tracing.start('POST', request.headers)
    const body = route.before + id + route.after
    response.writeHead(STATUS, [
      'x-request-id',
      id,
      ...always,
      'retry-after',
      `${refusal.retryAfterSeconds}`,
      'content-type',
      problemContentType,
      'cache-control',
      'private, no-store',
      'content-length',
      `${Buffer.byteLength(body)}`,
    ])
    response.end(body)
    route.observe(
      { id, span, raw: request, isShed: true },
      { statusCode: STATUS, elapsedTime: performance.now() - startedMs },
    )
    return true
  }
}

interface ShedRoute {
  readonly observe: Observe
  /** The body before and after the request's id, which needs no escapes. */
  readonly before: string
  readonly after: string
}

/** The routes of new work whose path has no part that varies. */
function shedRoutesOf(context: RouteContext): ReadonlyMap<string, ShedRoute> {
  const shed = routeList.filter(
    (route) =>
      route.method === 'POST' && !route.url.includes(':') && workOf(endpointOf(route)?.limit) === 'new',
  )
  return new Map(
    shed.map(({ url, method }) => {
      const [before = '', after = ''] = JSON.stringify(
        problemDocument({ code: 'overloaded' }, ID, url),
      ).split(ID)
      return [url, { observe: createObserve(context, url, method), before, after }]
    }),
  )
}
