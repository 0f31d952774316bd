/** Who may use which route. What is somebody's own is in ownership.unit.test.ts. */
import { fastify } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { guardRoutes } from './access.ts'
import { createCallers } from './callers.fixture.ts'
import { createMemoryClient, SLOT, slotBody } from './memory-client.ts'
import { createMemoryWorld, type MemoryOptions, type MemoryWorld } from './memory-world.ts'
import { buildOperations } from './operations.ts'
import { routeList } from './routes.ts'

const worlds: MemoryWorld[] = []
afterEach(async () => {
  for (const { app } of worlds.splice(0)) await app.close()
})

const ID = '31111111-2222-4333-8444-555555555555'

async function open(options: MemoryOptions = {}) {
  const callers = createCallers()
  const world = createMemoryWorld({ authenticator: callers.authenticator, ...options })
  worlds.push(world)
  world.eager = true
  const { call } = createMemoryClient(world)
  const [user, operator, admin] = [
    await callers.user('ann'),
    await callers.user('olga', ['operate']),
    await callers.user('adam', ['admin']),
  ]
  return { world, callers, call, user, operator, admin }
}

/** Every route that Fastify has: of the table, and what serves documents. */
function routesOf(app: MemoryWorld['app']): readonly string[] {
  const tree = app.printRoutes({ commonPrefix: false, includeHooks: false })
  const routes: string[] = []
  const path: string[] = []
  for (const line of tree.split('\n')) {
    const [, indent = '', part = '', methods = ''] = /^([│ ]*)[├└]── (\S+)(?: \(([^)]+)\))?/.exec(line) ?? []
    if (part === '') continue
    path.splice(indent.length / 4, path.length, part)
    for (const method of methods.split(', ').filter((each) => each !== '' && each !== 'HEAD'))
      routes.push(`${method} ${path.join('')}`)
  }
  return routes
}

/** What anybody may read, and nothing else. */
const publicRoutes = [
  'GET /slots',
  'GET /slots/:id',
  'GET /slots/:id/audit',
  'GET /slots/:id/events',
  'GET /slots/:id/ws',
  'GET /health/live',
  'GET /health/ready',
  'GET /api/v1/health',
  'GET /openapi.json',
  'GET /docs',
  'GET /redoc',
  'GET /docs/assets/start.js',
  'GET /docs/assets/:file',
  'GET /problems/:code',
]
const pathOf = (route: string) =>
  route
    .replace(/^\w+ /, '')
    .replace(':user_id', 'ann')
    .replace(':file', 'x')
    .replace(':code', 'internal')
    .replace(':id', ID)

describe('every route that there is', () => {
  test('is open to strangers where it is listed as public, and answers 401 everywhere else', async () => {
    const { world } = await open()
    const routes = routesOf(world.app)
    for (const { method, url } of routeList) expect(routes).toContain(`${method} ${url}`)
    for (const route of publicRoutes) expect(routes).toContain(route)
    for (const route of routes) {
      const [method] = route.split(' ')
      const answer = await world.app.inject({ method: method as 'GET', url: pathOf(route) })
      const isPublic = publicRoutes.includes(route)
      expect([route, answer.statusCode === 401]).toEqual([route, !isPublic])
      if (isPublic) continue
      expect(answer.json().code).toBe('unauthenticated')
      expect(answer.headers).toMatchObject({
        'www-authenticate': 'Bearer',
        'cache-control': 'private, no-store',
      })
    }
    expect(world.records).toEqual([])
  })

  test.each([
    ['a user', 'user', ['reserve']],
    ['an operator', 'operator', ['reserve', 'operate']],
    ['an admin', 'admin', ['reserve', 'operate', 'admin']],
  ] as const)(
    'lets %s through by scope alone, and looks at nothing of the request before',
    async (_name, who, granted) => {
      const { world, ...callers } = await open()
      for (const { method, url, access } of routeList) {
        if (access === 'public') continue
        const answer = await world.app.inject({
          method,
          url: pathOf(`${method} ${url}`),
          headers: { ...callers[who], 'content-type': 'application/json' },
          ...(method !== 'GET' && { payload: '{' }),
        })
        const isLetThrough = granted.some((scope) => scope === access.scope)
        expect([method, url, answer.statusCode !== 403]).toEqual([method, url, isLetThrough])
        if (isLetThrough) continue
        expect(answer.headers['www-authenticate']).toBe(
          `Bearer error="insufficient_scope", scope="${access.scope}"`,
        )
      }
    },
  )

  test('of the operations port asks for credentials, but for metrics and health', async () => {
    const { world, callers, user, operator, admin } = await open()
    const app = buildOperations(
      { ...world.deps, deadLetters: () => null, settings: () => null },
      { instanceId: 'test' },
    )
    const routes = routesOf(app)
    expect(routes).toContain('POST /admin/dead-letters/:id/redrive')
    for (const route of routes) {
      const [method] = route.split(' ')
      const ask = (headers: object = {}) =>
        app.inject({ method: method as 'GET', url: pathOf(route).replace(ID, '7'), headers: { ...headers } })
      const isPublic = ['GET /metrics', 'GET /health/live', 'GET /health/ready'].includes(route)
      expect([route, (await ask()).statusCode === 401]).toEqual([route, !isPublic])
      if (isPublic) continue
      expect((await ask(user)).statusCode).toBe(403)
      const isForAdmin = /^(PUT|POST) \/admin\/config/.test(route)
      // Let through: there is no store of dead letters or settings here, or no body.
      const letThrough = route === 'PUT /admin/config' ? 422 : 503
      expect((await ask(operator)).statusCode).toBe(isForAdmin ? 403 : letThrough)
      expect((await ask(callers.key(['operate']).headers)).statusCode).toBe(isForAdmin ? 403 : letThrough)
      expect((await ask(admin)).statusCode).toBe(letThrough)
    }
    await app.close()
  })

  test('says who may use it, or is not there at all', async () => {
    const { world } = await open()
    const app = fastify()
    guardRoutes(app, world.deps)
    expect(() => app.get('/forgotten', () => 'secret')).toThrow('GET /forgotten does not say who may use it')
    await app.close()
  })
})

describe('credentials', () => {
  test('that are wrong are refused with what is wrong, and never logged', async () => {
    const lines: string[] = []
    const log = { level: 'trace', destination: { write: (line: string) => void lines.push(line) } } as const
    const { world, callers, user } = await open({ log })
    const [, secret = ''] = user.authorization.split(' ')
    const { headers } = callers.key(['admin'])
    const ask = async (authorization: string) => {
      const { statusCode, headers: sent } = await world.app.inject({
        url: `/reservations/${ID}`,
        headers: { authorization },
      })
      return `${statusCode} ${sent['www-authenticate'] ?? ''}`
    }
    expect(await ask(`bearer  ${secret}`)).toBe('404 ')
    for (const other of ['Basic YTpi', 'Bearer', 'Bearer ', 'Bearer a b', secret])
      expect(await ask(other)).toBe('401 Bearer')
    const notValid = 'error="invalid_token", error_description="The token is not valid"'
    expect(await ask(`Bearer ${secret}x`)).toBe(`401 Bearer ${notValid}`)
    expect(await ask(`${headers.authorization.slice(0, -1)}~`)).toContain('The API key is not valid')
    world.deps.logger.debug({ headers: { authorization: user.authorization } }, 'as it came')
    world.deps.logger.debug({ it: user.authorization, err: new Error(headers.authorization) }, secret)
    const logged = lines.join('')
    expect(lines.length).toBeGreaterThan(5)
    for (const each of [user.authorization, headers.authorization]) {
      const credential = each.replace('Bearer ', '')
      expect(logged).not.toContain(credential)
      expect(logged).not.toContain(credential.split(/[._]/)[2])
    }
  })

  test('that cannot be checked are neither good nor bad; other callers go on', async () => {
    const { world, callers, user } = await open()
    const { headers } = callers.key(['operate'])
    callers.outage = new Error('connection lost')
    const answer = await world.app.inject({ url: `/reservations/${ID}`, headers })
    expect([answer.statusCode, answer.json().code, answer.headers['retry-after']]).toEqual([
      503,
      'auth-unavailable',
      '1',
    ])
    expect((await world.app.inject({ url: `/reservations/${ID}`, headers: user })).statusCode).toBe(404)
  })

  test('are not looked at where none are needed', async () => {
    const { world, call, admin } = await open()
    await call('POST', '/slots', slotBody(), { prefer: 'wait=5', ...admin })
    const answer = await world.app.inject({
      url: `/slots/${SLOT}`,
      headers: { authorization: 'Bearer wrong' },
    })
    expect(answer.statusCode).toBe(200)
  })
})

test('what operators do is in the audit log: who, what, with which outcome; what they look at is not', async () => {
  const lines: Record<string, unknown>[] = []
  const { createLogger } = await import('@ironsys/telemetry')
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const auditLog = createLogger({ name: 'admin-audit', level: 'info', destination })
  const { world, callers, call, user, operator, admin } = await open({ auditLog })
  const key = callers.key(['admin'])
  await call('POST', '/slots', slotBody(), { prefer: 'wait=5', 'x-request-id': 'r-1', ...admin })
  await call('PATCH', `/slots/${SLOT}`, { capacity: 20 }, { ...key.headers })
  await call('PATCH', `/slots/${SLOT}`, { capacity: 1 }, { ...user })
  await call('GET', `/slots/${SLOT}/reservations`, undefined, { ...operator })
  await call('POST', '/slots', slotBody(), {})
  expect(lines).toMatchObject([
    {
      name: 'admin-audit',
      level: 'info',
      request_id: 'r-1',
      by: 'adam',
      via: 'jwt',
      action: 'POST /slots',
      target: '/slots',
      status: 201,
      outcome: 'ok',
      time: expect.any(String),
    },
    {
      by: `API key ${key.id}`,
      via: 'api-key',
      action: 'PATCH /slots/:id',
      target: `/slots/${SLOT}`,
      status: 202,
    },
    { by: 'ann', status: 403, outcome: 'forbidden' },
  ])
  expect(world.records).toHaveLength(2)
})
