import { readFileSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { z } from 'zod'
import { problemTable } from './errors.ts'
import { createMemoryWorld } from './memory-world.ts'
import { openApiDocument } from './openapi.ts'
import { problemsOf, routeList } from './routes.ts'

const { app } = createMemoryWorld()
afterAll(() => app.close())

const operationSchema = z.object({
  operationId: z.string(),
  parameters: z
    .array(z.object({ name: z.string(), in: z.enum(['path', 'query', 'header']), schema: z.looseObject({}) }))
    .optional(),
  responses: z.record(z.string(), z.object({ description: z.string().min(1) })),
})
const document = z
  .object({
    openapi: z.literal('3.1.0'),
    paths: z.record(z.string(), z.record(z.string(), operationSchema)),
    components: z.object({ schemas: z.record(z.string(), z.looseObject({})) }),
  })
  .parse(openApiDocument())

test('docs/openapi.json is what this code describes', () => {
  const file = readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8')
  expect(file, 'run: node apps/api/src/openapi-file.ts > docs/openapi.json').toBe(
    `${JSON.stringify(openApiDocument(), null, 2)}\n`,
  )
})

test('every route is there, with all the statuses it may answer', () => {
  for (const route of routeList) {
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}')
    const operation = document.paths[path]?.[route.method.toLowerCase()]
    expect(operation?.operationId).toBe(route.operationId)
    const statuses = [
      ...Object.keys(route.answers),
      ...problemsOf(route).map((code) => problemTable[code].status),
    ]
    expect(Object.keys(operation?.responses ?? {}).sort()).toEqual([...new Set(statuses.map(String))].sort())
    // What a problem says would hide what an answer says, or the other way round.
    for (const code of problemsOf(route))
      expect(route.answers).not.toHaveProperty(`${problemTable[code].status}`)
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    const described =
      operation?.parameters?.filter((each) => each.in === 'path').map(({ name }) => name) ?? []
    expect(described).toEqual(inPath)
  }
  const ids = routeList.map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
})

/** Every field in the schema that is not told, as a path. */
function untold(schema: unknown, path: string): readonly string[] {
  if (typeof schema !== 'object' || schema === null) return []
  const fields = 'properties' in schema ? Object.entries(schema.properties ?? {}) : []
  const own = fields.filter(([, field]) => !field.description).map(([name]) => `${path}.${name}`)
  return [...own, ...Object.entries(schema).flatMap(([name, inner]) => untold(inner, `${path}.${name}`))]
}

test('every field and every parameter says what it means', () => {
  expect(untold(document.components.schemas, '')).toEqual([])
  for (const [path, operations] of Object.entries(openApiDocument().paths ?? {})) {
    expect(untold(operations, path)).toEqual([])
    for (const { parameters = [] } of Object.values<{ parameters?: { description?: string }[] }>(operations))
      for (const parameter of parameters) expect(parameter).toHaveProperty('description', expect.any(String))
  }
})

test('every reference leads somewhere', () => {
  const names = [...JSON.stringify(openApiDocument()).matchAll(/#\/components\/schemas\/(\w+)/g)].map(
    ([, name]) => name,
  )
  expect(names.length).toBeGreaterThan(0)
  for (const name of names) expect(document.components.schemas).toHaveProperty(String(name))
})

test('the description and both pages are served from here alone', async () => {
  expect((await app.inject({ url: '/openapi.json' })).json().openapi).toBe('3.1.0')
  for (const url of ['/docs', '/redoc']) {
    const page = await app.inject({ url })
    expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect(page.body).not.toMatch(/https?:\/\//)
    expect(page.headers['content-security-policy']).toContain("connect-src 'self'")
    for (const [, asset] of page.body.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const file = await app.inject({ url: String(asset) })
      expect([asset, file.statusCode]).toEqual([asset, 200])
      expect(file.rawPayload.length).toBeGreaterThan(50)
    }
  }
  for (const url of [
    '/docs/assets/package.json',
    '/docs/assets/..%2Fpackage.json',
    '/docs/assets/constructor',
  ]) {
    expect((await app.inject({ url })).statusCode).toBe(404)
  }
})
