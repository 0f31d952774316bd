/**
 * The fast path of `GET /slots/:id`: a plain request for a snapshot in memory is answered on the bare server, before
 * Fastify hears of it, which takes a good part of the time off (docs/adr/0007-fast-path.md).
 *
 *  F1  What it answers is, but for the request's id, what the route would answer, head and body. Whatever would be answered in
 *      any other way is left to the route, untouched and not counted.
 *  F2  It is counted, timed, logged and traced as the route's answers are.
 */
import { Buffer } from 'node:buffer'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { RequestIds } from './request-id.ts'
import { createObserve, type RouteContext } from './route.ts'
import { routes } from './routes.ts'
import { JSON_TYPE, NOSNIFF, snapshotBody, snapshotHead } from './snapshot-answer.ts'

const PREFIX = '/slots/'
const URL_LENGTH = PREFIX.length + 36
const noHeaders: IncomingHttpHeaders = {}

/** Whether it has answered. Synchronous; when false, nothing has happened to the request. */
export type FastPath = (request: IncomingMessage, response: ServerResponse) => boolean

export function createFastPath(context: RouteContext, requestIds: RequestIds): FastPath {
  const { slots, health, tracing } = context.deps
  const { method, url: route } = routes.getSlot
  const observe = createObserve(context, route, method)
  return (request, response) => {
    const url = request.url ?? ''
    if (request.method !== method || url.length !== URL_LENGTH || !url.startsWith(PREFIX)) return false
    const named = headersThatMatter(request.rawHeaders)
    if (named === 'conditional' || health.draining()) return false
    const startedMs = performance.now()
    const slotId = url.slice(PREFIX.length)
    const known = slots.peek(slotId)
    if (known === undefined || 'missing' in known) return false
    const read = slots.getNow(slotId)
    if (read === undefined || 'missing' in read) return false
    // Node makes the object of headers when it is first asked for.
    const headers = named === 'some' ? request.headers : noHeaders
    const id = requestIds({ headers })
    const span = tracing === null ? null : tracing.start(method, headers)
    const { etag, age, caching } = snapshotHead(read)
    const body = snapshotBody(read)
    response.writeHead(200, [
      'x-request-id',
      id,
      'x-content-type-options',
      NOSNIFF,
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

/** `conditional`: the answer may be another one; `some`: headers that are read on every request. */
function headersThatMatter(rawHeaders: readonly string[]): 'none' | 'some' | 'conditional' {
  let found: 'none' | 'some' = 'none'
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    // Those that are looked for have 11 to 13 letters.
    if (name.length < 11 || name.length > 13) continue
    const known = name.toLowerCase()
    if (known === 'if-none-match') return 'conditional'
    if (known === 'x-request-id' || known === 'traceparent') found = 'some'
  }
  return found
}
