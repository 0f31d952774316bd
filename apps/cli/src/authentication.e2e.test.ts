/** The whole system with callers who must say who they are: an identity provider, API keys, and the command line that makes them. */
import { execFile } from 'node:child_process'
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { checkout } from '@ironsys/local'
import { createClient, startSystem, type TestApp, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { commandLineOf } from './command-line.fixture.ts'

const DEADLINE = { timeout: 20_000, interval: 20 }
const issuer = 'https://id.example'
const audience = 'ironsys'
const sharedKey = 'what only these tests sign their tokens with'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

let system: TestSystem
let provider: Server
/** One that trusts the provider, one with a shared key. */
let api: TestApp
let other: TestApp

beforeAll(async () => {
  provider = createServer((_request, response) =>
    response
      .setHeader('connection', 'close')
      .end(JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] })),
  )
  const listening = Promise.withResolvers<void>()
  provider.listen(0, '127.0.0.1', () => listening.resolve())
  await listening.promise
  const address = provider.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  system = await startSystem()
  const shared = { AUTH_MODE: 'jwt', JWT_ISSUER: issuer, JWT_AUDIENCE: audience, NODE_ENV: 'production' }
  ;[api, other] = await Promise.all([
    system.startApi({ ...shared, JWKS_URL: `http://127.0.0.1:${port}/keys`, LOG_LEVEL: 'debug' }),
    system.startApi({ ...shared, JWT_SHARED_KEY: sharedKey }),
    system.startWorker(),
  ])
})

afterAll(async () => {
  await system?.close()
  provider?.close()
})

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

function tokenOf(sub: string, scope = 'reserve', kid = 'k'): string {
  const exp = Math.floor(Date.now() / 1000) + 600
  const content = `${encoded({ alg: 'ES256', kid })}.${encoded({ iss: issuer, aud: audience, sub, scope, exp, jti: randomUUID() })}`
  const signature = sign('sha256', Buffer.from(content), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${content}.${signature.toString('base64url')}`
}

/** Asks with a credential; waits for decisions. Status and code or status, and the body. */
async function ask(credential: string | null, method: string, path: string, body?: object, url = api.url) {
  const headers = { prefer: 'wait=20', ...(credential !== null && { authorization: `Bearer ${credential}` }) }
  const answer = await createClient(url).call<Record<string, string>>(method, path, body, headers)
  return {
    said: `${answer.status} ${answer.body?.code ?? answer.body?.status ?? ''}`.trim(),
    body: answer.body,
  }
}

const slotOf = () => ({
  name: 'Hall',
  start_time: '2030-05-01T12:00:00Z',
  end_time: '2030-05-01T14:00:00Z',
  capacity: 10,
})

const ironsys = (...args: readonly string[]) => commandLineOf(system)(...args)

test('two users never see each other’s reservations; anybody sees the slot', async () => {
  const [ann, bob, admin] = [tokenOf('ann'), tokenOf('bob'), tokenOf('adam', 'admin')]
  expect((await ask(ann, 'POST', '/slots', slotOf())).said).toBe('403 forbidden')
  const { id: slotId } = (await ask(admin, 'POST', '/slots', slotOf())).body
  const reserve = { slot_id: slotId, user_id: 'ann', mode: 'hold' }
  expect((await ask(null, 'POST', '/reservations', reserve)).said).toBe('401 unauthenticated')
  expect((await ask(bob, 'POST', '/reservations', reserve)).said).toBe('403 forbidden')
  const made = await ask(ann, 'POST', '/reservations', reserve)
  expect(made.said).toBe('201 held')
  const path = `/reservations/${made.body.id}`
  expect((await ask(bob, 'GET', path)).said).toBe('404 not-decided-or-unknown')
  expect((await ask(bob, 'POST', `${path}/confirm`)).said).toBe('404 reservation-not-found')
  expect((await ask(bob, 'DELETE', path)).said).toBe('404 reservation-not-found')
  expect((await ask(bob, 'GET', '/users/ann/reservations')).said).toBe('404 user-not-found')
  expect((await ask(ann, 'GET', path)).said).toBe('200 held')
  expect((await ask(ann, 'POST', `${path}/confirm`)).said).toBe('200 confirmed')
  expect((await ask(tokenOf('olga', 'operate'), 'GET', path)).said).toBe('200 confirmed')
  expect((await ask(null, 'GET', `/slots/${slotId}`)).body).toMatchObject({ reserved_count: 1 })
})

test('an API key comes from the command line, works at once on every instance, and a revocation within a second', async () => {
  const made = await ironsys(
    'api-key',
    'create',
    '--name',
    'orders',
    '--scopes',
    'operate',
    '--expires',
    '1h',
    '--json',
  )
  expect(made).toMatchObject({ code: 0, stderr: '' })
  const { key, id } = JSON.parse(made.stdout)
  for (const { url } of [api, other])
    expect((await ask(key, 'GET', '/users/ann/reservations', undefined, url)).said).toBe('200')
  expect((await ask(key, 'POST', '/slots', slotOf())).said).toBe('403 forbidden')
  expect((await ask(key, 'GET', '/admin/dead-letters', undefined, api.operationsUrl)).said).toBe('200')
  expect((await ironsys('api-key', 'list')).stdout).toMatch(
    new RegExp(`^${id}  orders  operate .* good$`, 'm'),
  )
  expect((await ironsys('api-key', 'revoke', id)).stdout).toBe(`API key ${id} is revoked\n`)
  for (const { url } of [api, other]) {
    const refused = async () => (await ask(key, 'GET', '/users/ann/reservations', undefined, url)).said
    await vi.waitFor(async () => expect(await refused()).toBe('401 unauthenticated'), DEADLINE)
  }
  expect((await ironsys('api-key', 'list', '--all')).stdout).toMatch(new RegExp(`^${id} .* revoked 20`, 'm'))
  expect((await ironsys('api-key', 'revoke', id)).stdout).toContain('was revoked before')
  expect(await ironsys('api-key', 'revoke', '0'.repeat(16))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('there is no API key'),
  })
})

test('the operations port shows metrics and health to anybody, and the rest to operators', async () => {
  const asks = async (path: string, credential?: string) => {
    const headers = credential === undefined ? {} : { authorization: `Bearer ${credential}` }
    const answer = await fetch(`${api.operationsUrl}${path}`, { headers })
    await answer.arrayBuffer()
    return answer.status
  }
  expect([await asks('/metrics'), await asks('/health/ready')]).toEqual([200, 200])
  expect([await asks('/admin/dead-letters'), await asks('/admin/dead-letters', tokenOf('ann'))]).toEqual([
    401, 403,
  ])
  expect(await asks('/admin/dead-letters', tokenOf('olga', 'operate'))).toBe(200)
})

test('the command line signs tokens with the shared key; an API that trusts a provider does not take them', async () => {
  const env = { PATH: '/usr/bin:/bin', JWT_SHARED_KEY: sharedKey, JWT_ISSUER: issuer, JWT_AUDIENCE: audience }
  const main = join(checkout, 'apps', 'cli', 'src', 'main.ts')
  const signed = async (...args: readonly string[]) =>
    (await promisify(execFile)(process.execPath, [main, 'token', ...args], { env })).stdout.trim()
  const token = await signed('--user', 'carl', '--ttl', '90s')
  expect((await ask(token, 'GET', '/users/carl/reservations', undefined, other.url)).said).toBe('200')
  expect((await ask(token, 'GET', '/users/carl/reservations')).said).toBe('401 unauthenticated')
  expect(
    (await ask(await signed('--user', 'carl', '--scopes', 'admin'), 'POST', '/slots', slotOf(), other.url))
      .body.id,
  ).toBeDefined()
})

test('while the provider is down the keys that are known go on', async () => {
  provider.close()
  expect((await ask(tokenOf('ann'), 'GET', '/users/ann/reservations')).said).toBe('200')
})

test('no credential is in any log; what admins did is', () => {
  const log = api.log() + other.log()
  // The newest lines.
  expect(api.log()).toMatch(/"name":"admin-audit".*"by":"API key [0-9a-f]{16}".*"outcome":"forbidden"/)
  expect(log).not.toMatch(/iron_[0-9a-f]{16}_|eyJ[\w-]+\.|what only these tests/)
})
