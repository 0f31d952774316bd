/** Which methods a path has, so that a wrong one is told from a wrong path. Asked only when nothing matched. */
import type { FastifyInstance } from 'fastify'

/** Call before any route is added. */
export function createMethods(app: FastifyInstance): { of(path: string): readonly string[] } {
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
      for (const { pattern, methods } of patterns.values()) {
        if (pattern.test(path)) for (const method of methods) found.add(method)
      }
      return [...found].sort()
    },
  }
}
