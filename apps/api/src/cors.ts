/**
 * Which other web sites may use the API from their pages (CORS): those that are listed, none by default. Credentials of the
 * browser (cookies) are never asked for: who asks says so with an `Authorization` header. Not @fastify/cors: it registers
 * `OPTIONS *`, which gives every path a method, also those that do not exist.
 */
import type { FastifyInstance } from 'fastify'

export interface Cors {
  readonly origins: ReadonlySet<string>
  /** The methods of a path; none where there is no such path. */
  readonly methodsOf: (path: string) => readonly string[]
  readonly pathOf: (url: string) => string
}

const ALLOWED_HEADERS =
  'authorization, content-type, idempotency-key, if-none-match, last-event-id, prefer, traceparent, x-request-id'
const EXPOSED_HEADERS =
  'age, etag, idempotency-replayed, location, preference-applied, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id'
/** How long a browser remembers what a preflight said. */
const PREFLIGHT_SECONDS = 600

/** Call before credentials are asked for: a preflight has none. */
export function allowOrigins(app: FastifyInstance, { origins, methodsOf, pathOf }: Cors): void {
  if (origins.size === 0) return
  app.addHook('onRequest', (request, reply, done) => {
    const { origin, 'access-control-request-method': wanted } = request.headers
    if (origin === undefined || !origins.has(origin)) return done()
    reply.header('access-control-allow-origin', origin)
    const methods = methodsOf(pathOf(request.url))
    if (request.method !== 'OPTIONS' || wanted === undefined || methods.length === 0) {
      reply.header('access-control-expose-headers', EXPOSED_HEADERS)
      return done()
    }
    reply
      .code(204)
      .headers({
        vary: 'origin',
        'access-control-allow-methods': methods.join(', '),
        'access-control-allow-headers': ALLOWED_HEADERS,
        'access-control-max-age': String(PREFLIGHT_SECONDS),
        'cache-control': 'private, no-store',
      })
      .send()
  })
  // For whoever keeps answers: those of different origins differ.
  app.addHook('onSend', (_request, reply, payload, done) => {
    const vary = reply.getHeader('vary')
    if (vary !== 'origin') reply.header('vary', vary === undefined ? 'origin' : `${vary}, origin`)
    done(null, payload)
  })
}
