/**
 * The fast path of `GET /slots/:id`: a plain request for a snapshot in memory is answered on the bare server, before
 * Fastify hears of it, which takes a good part of the time off (docs/adr/0007-fast-path.md).
 *
 *  F1  What it answers is, but for the request's id, what the route would answer, head and body. Whatever would be answered in
 *      any other way is left to the route, untouched and not counted.
 *      Who asks does not matter: what is public is so for everybody, and credentials are not looked at.
 *  F2  It is counted, timed, logged and traced as the route's answers are, but that its time ends when the answer is handed
 *      to the connection, and not when the connection has passed it on: a client that reads slowly is not seen in it.
 */
import { Buffer } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { namesHost } from './http-rules.ts'
import { createFastLimit } from './limits.ts'
import type { RequestIds } from './request-id.ts'
import { createObserve, type RouteContext } from './route.ts'
import { routes } from './routes.ts'
import { securityHeaderList } from './security-headers.ts'
import { createSnapshotHead, JSON_TYPE, snapshotBody } from './snapshot-answer.ts'

const PREFIX = '/slots/'
const URL_LENGTH = PREFIX.length + 36

/** Whether it has answered. Synchronous; when false, nothing has happened to the request. */
export type FastPath = (request: IncomingMessage, response: ServerResponse) => boolean

export function createFastPath(context: RouteContext, requestIds: RequestIds): FastPath {
  const { slots, health, tracing } = context.deps
  const { method, url: route } = routes.getSlot
  const observe = createObserve(context, route, method)
  const passes = createFastLimit(context.deps, routes.getSlot)
  const headOf = createSnapshotHead(context.options)
  const hasOrigins = context.options.corsOrigins.size > 0
  const always = hasOrigins ? [...securityHeaderList, 'vary', 'origin'] : securityHeaderList
  return (request, response) => {
    const url = request.url ?? ''
    if (request.method !== method || url.length !== URL_LENGTH || !url.startsWith(PREFIX)) return false
    if (isSpecial(request, hasOrigins) || health.draining()) return false
    const startedMs = performance.now()
    const slotId = url.slice(PREFIX.length)
    const known = slots.peek(slotId)
    if (known === undefined || 'missing' in known) return false
    const read = slots.getNow(slotId)
    if (read === undefined || 'missing' in read) return false
    if (!passes(request)) return false
    const id = requestIds(request)
    const span = tracing === null ? null : tracing.start(method, request.headers)
    const { etag, age, caching } = headOf(read)
    const body = snapshotBody(read)
    response.writeHead(200, [
      'x-request-id',
      id,
      ...always,
      'etag',
      etag,
      'age',
      age,
      'cache-control',
      caching,
      'content-type',
      JSON_TYPE,
      'content-length',
      `${Buffer.byteLength(body)}`,
    ])
    response.end(body)
    observe({ id, span, raw: request }, { statusCode: 200, elapsedTime: performance.now() - startedMs })
    return true
  }
}

/** Whether the answer may be another one than the snapshot with 200. Node has made the object of headers by now. */
function isSpecial(request: IncomingMessage, hasOrigins: boolean): boolean {
  const { headers } = request
  return (
    headers['if-none-match'] !== undefined ||
    (hasOrigins && headers.origin !== undefined) ||
    !namesHost(request)
  )
}
