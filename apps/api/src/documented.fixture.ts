/** For tests: what an answer is that OpenAPI does not say, and what it lacks that OpenAPI promises. */
import { z } from 'zod'
import { openApiDocument } from './openapi.ts'

export interface SentAnswer {
  readonly method: string
  /** Fastify's pattern. */
  readonly url: string
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
}

const referenceSchema = z.object({ $ref: z.string() })
const responseSchema = z.object({
  headers: z.record(z.string(), referenceSchema).default({}),
  content: z.record(z.string(), z.unknown()).default({}),
})
const { paths, components } = z
  .object({
    paths: z.record(
      z.string(),
      z.record(z.string(), z.object({ responses: z.record(z.string(), responseSchema) })),
    ),
    components: z.object({
      headers: z.record(z.string(), z.object({ required: z.boolean().default(false) })),
    }),
  })
  .parse(openApiDocument())

/** Of the message, the connection and the browser that reads it, not of the answer. */
const ofTransfer = /^(connection|keep-alive|transfer-encoding|content-(length|type)|date|access-control-.*)$/

/** Empty for paths that are none of the table's. */
export function undocumentedIn({ method, url, status, headers }: SentAnswer): readonly string[] {
  const path = paths[url.replaceAll(/:(\w+)/g, '{$1}')]
  if (path === undefined) return []
  // What HEAD answers is what GET would, without its body (RFC 9110 §9.3.2).
  const response = path[method === 'HEAD' ? 'get' : method.toLowerCase()]?.responses[status]
  if (response === undefined) return [`${status}`]
  const sent = Object.keys(headers).filter((name) => !ofTransfer.test(name))
  const declared = new Map(
    Object.entries(response.headers).map(([name, { $ref }]) => [name.toLowerCase(), $ref]),
  )
  const isRequired = (name: string) =>
    components.headers[declared.get(name)?.replace('#/components/headers/', '') ?? '']?.required
  const [type = ''] = String(headers['content-type'] ?? '').split(';')
  const types = Object.keys(response.content)
  const isTypeTold = type === '' ? types.length === 0 || status === 101 : types.includes(type)
  return [
    ...sent.filter((name) => !declared.has(name)).map((name) => `${status} with ${name}`),
    ...[...declared.keys()]
      .filter((name) => isRequired(name) === true && !sent.includes(name))
      .map((name) => `${status} without ${name}`),
    ...(isTypeTold ? [] : [`${status} of type "${type}"`]),
  ]
}
