/** Which methods a path has, so that a wrong one is told from a wrong path. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { pathOf, sendProblem } from './problem.ts'

export interface Methods {
  of(path: string): readonly string[]
}

/** Call before any route is added. */
export function createMethods(app: FastifyInstance): Methods {
  const patterns = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>()
  app.addHook('onRoute', ({ url, method }) => {
    const known = patterns.get(url) ?? {
      pattern: new RegExp(`^${url.replaceAll(/:\w+/g, '[^/]+')}$`),
      methods: new Set<string>(),
    }
    for (const name of [method].flat()) known.methods.add(name)
    patterns.set(url, known)
  })
  return {
    of(path) {
      const found = new Set<string>()
      // A path of its own is not also one of a pattern's: /reservations/batch is no reservation.
      const own = patterns.get(path)
      for (const { pattern, methods } of own ? [own] : patterns.values()) {
        if (pattern.test(path)) for (const method of methods) found.add(method)
      }
      return [...found].sort()
    },
  }
}

/** Answers 404 and 405. Call after the hooks that refuse for other reasons, and before any route is added. */
export function refuseUnmatched(app: FastifyInstance, methods: Methods): void {
  const refuse = (request: FastifyRequest, reply: FastifyReply) => {
    const allowed = methods.of(pathOf(request.url))
    if (allowed.length === 0) return sendProblem(request, reply, { code: 'not-found' })
    reply.header('allow', allowed.join(', '))
    return sendProblem(request, reply, { code: 'method-not-allowed', detail: `It has ${allowed.join(', ')}` })
  }
  const whole = new Set<string>()
  app.addHook('onRoute', ({ url }) => {
    if (!url.includes(':')) whole.add(url)
  })
  app.addHook('onRequest', (request, reply, done) => {
    const { url = '' } = request.routeOptions
    // The router falls back to a pattern for the methods that the path of its own does not have.
    const isFallback = url.includes(':') && whole.has(pathOf(request.url))
    // Of QUERY Fastify wants a content type before it looks whether there is such a route.
    if (isFallback || (request.is404 && request.method === 'QUERY')) refuse(request, reply)
    else done()
  })
  app.setNotFoundHandler(refuse)
}
