import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { exportJWK, type JWTPayload, SignJWT } from 'jose'
import { afterEach, expect, test, vi } from 'vitest'
import type { Authentication } from './authenticator.ts'
import { signDevelopmentToken } from './development-token.ts'
import { keySetLimits, publishedSigningKeys, sharedSigningKey } from './signing-keys.ts'
import { createTokenCheck, tokenLimits } from './token-check.ts'

afterEach(() => void vi.restoreAllMocks())

const START_MS = Date.parse('2026-03-01T12:00:00Z')
const START_S = START_MS / 1000
const URL_OF_KEYS = 'https://id.example/keys'
const options = { issuer: 'https://id.example', audience: 'ironsys' }
const claims = {
  iss: options.issuer,
  aud: options.audience,
  sub: 'ann',
  exp: START_S + 3600,
  scope: 'reserve',
}

function pair(kid: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { kid, publicKey, privateKey }
}
const first = pair('first')

const sign = (payload: JWTPayload, { kid, privateKey } = first) =>
  new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey)

/** An identity provider whose clock, keys and health a test turns. */
function provider() {
  const state = { nowMs: START_MS, keys: [first], down: false, fetches: 0, reports: 0 }
  const fetchKeys = async (): Promise<Response> => {
    state.fetches++
    if (state.down) throw new Error('connect ECONNREFUSED')
    const keys = await Promise.all(
      state.keys.map(async ({ kid, publicKey }) => ({ ...(await exportJWK(publicKey)), kid })),
    )
    return Response.json({ keys })
  }
  const nowMs = () => state.nowMs
  // jose's own pauses go by the wall clock.
  vi.spyOn(Date, 'now').mockImplementation(nowMs)
  const keys = publishedSigningKeys(
    { fetch: fetchKeys, nowMs, report: () => void state.reports++ },
    URL_OF_KEYS,
  )
  return { state, check: createTokenCheck({ keys, nowMs }, options) }
}

const kindOf = async (answer: Authentication | Promise<Authentication>) => (await answer).kind

test('a good token tells user and scopes, with those that are included', async () => {
  const { check } = provider()
  expect(await check(await sign({ ...claims, scope: 'openid operate' }))).toEqual({
    kind: 'caller',
    caller: { userId: 'ann', scopes: ['reserve', 'operate'], via: 'jwt' },
  })
  expect(await check(await sign({ ...claims, scope: undefined, scp: ['admin'] }))).toMatchObject({
    caller: { scopes: ['reserve', 'operate', 'admin'] },
  })
  expect(await check(await sign({ ...claims, scope: 'administrator' }))).toMatchObject({
    caller: { scopes: [] },
  })
})

const without = (name: keyof typeof claims): JWTPayload =>
  Object.fromEntries(Object.entries(claims).filter(([each]) => each !== name))
const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

test.each<[string, () => Promise<string> | string]>([
  ['expired', () => sign({ ...claims, exp: START_S - 31 })],
  ['without an end', () => sign(without('exp'))],
  ['not yet valid', () => sign({ ...claims, nbf: START_S + 31 })],
  ['of another issuer', () => sign({ ...claims, iss: 'https://evil.example' })],
  ['for another audience', () => sign({ ...claims, aud: 'somebody else' })],
  ['without an audience', () => sign(without('aud'))],
  ['without a user', () => sign(without('sub'))],
  ['of a user that cannot be', () => sign({ ...claims, sub: 'a\nb' })],
  ['of another key with a known name', () => sign(claims, { ...pair('x'), kid: 'first' })],
  ['of a key that was never published', () => sign(claims, pair('unheard of'))],
  ['unsigned', () => `${encoded({ alg: 'none' })}.${encoded(claims)}.`],
  ['unsigned, and named', () => `${encoded({ alg: 'none', kid: 'first' })}.${encoded(claims)}.`],
  [
    'signed with the public key as if it were a shared one',
    () => {
      const pem = first.publicKey.export({ type: 'spki', format: 'pem' })
      return new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'first' }).sign(Buffer.from(pem))
    },
  ],
  [
    'changed on its way',
    async () => {
      const [head, , signature] = (await sign(claims)).split('.')
      return `${head}.${encoded({ ...claims, sub: 'bob' })}.${signature}`
    },
  ],
  [
    'that brings its own key',
    async () => {
      const other = pair('other')
      const jwk = await exportJWK(other.publicKey)
      return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', jwk }).sign(other.privateKey)
    },
  ],
  ['no token at all', () => 'abc'],
  ['empty', () => ''],
])('a token is refused: %s', async (_name, make) => {
  const { check } = provider()
  expect(await kindOf(check(await sign(claims)))).toBe('caller')
  expect(await kindOf(check(await make()))).toBe('refused')
})

test('clocks may differ by half a minute', async () => {
  const { check } = provider()
  expect(await kindOf(check(await sign({ ...claims, exp: START_S - 29, nbf: START_S + 29 })))).toBe('caller')
})

test('a token is verified once, remembered at most until it expires, and not for long', async () => {
  const { state, check } = provider()
  const [long, short] = [await sign(claims), await sign({ ...claims, exp: START_S + 60 })]
  for (const token of [long, short]) {
    expect(check(token)).toBeInstanceOf(Promise)
    await check(token)
    // Synchronous: nothing is verified.
    expect(check(token)).toMatchObject({ kind: 'caller' })
  }
  state.nowMs = START_MS + 60_000 + tokenLimits.clockToleranceMs
  expect(await kindOf(check(short))).toBe('refused')
  expect(check(long)).toMatchObject({ kind: 'caller' })
  state.nowMs = START_MS + tokenLimits.rememberedMs
  expect(check(long)).toBeInstanceOf(Promise)
})

test('the key set is down: known keys go on; of an unknown one nothing can be said', async () => {
  const { state, check } = provider()
  const second = pair('second')
  await check(await sign(claims))
  state.down = true
  state.nowMs += keySetLimits.refreshMs + 1
  const at = { exp: state.nowMs / 1000 + 3600 }
  expect(await kindOf(check(await sign({ ...claims, ...at })))).toBe('caller')
  expect(await kindOf(check(await sign({ ...claims, ...at }, second)))).toBe('unavailable')
  // Whoever asks with made-up names does not have it fetched each time, and operators are told once.
  const { fetches } = state
  for (let n = 0; n < 20; n++)
    expect(await kindOf(check(await sign({ ...claims, ...at, n }, pair(`${n}`))))).toBe('unavailable')
  expect(state.fetches).toBe(fetches)
  expect(state.reports).toBe(1)
  state.down = false
  state.keys = [first, second]
  state.nowMs += keySetLimits.failurePauseMs
  expect(await kindOf(check(await sign({ ...claims, ...at }, second)))).toBe('caller')
  expect(state.reports).toBe(2)
})

test('before the first fetch has worked no token can be judged', async () => {
  const { state, check } = provider()
  state.down = true
  expect(await kindOf(check(await sign(claims)))).toBe('unavailable')
})

test('while the set is there, unknown names have it fetched at most every half minute', async () => {
  const { state, check } = provider()
  for (let n = 0; n < 20; n++) await check(await sign(claims, pair(`made up ${n}`)))
  expect(state.fetches).toBe(1)
  state.nowMs += keySetLimits.cooldownMs
  state.keys = [pair('next')]
  const [next] = state.keys
  expect(await kindOf(check(await sign(claims, next)))).toBe('caller')
  expect(state.fetches).toBe(2)
})

test('a key that is withdrawn is gone when the set is next looked at; without a set for a day nothing is good', async () => {
  const { state, check } = provider()
  const token = (nth: number) => sign({ ...claims, jti: `${nth}`, exp: state.nowMs / 1000 + 3600 })
  await check(await token(1))
  state.keys = [pair('next')]
  state.nowMs += keySetLimits.refreshMs + 1
  // Beside this one.
  expect(await kindOf(check(await token(2)))).toBe('caller')
  await vi.waitFor(async () => expect(await kindOf(check(await token(3)))).toBe('refused'))
  state.down = true
  state.nowMs += keySetLimits.lastKnownMs + 1
  expect(await kindOf(check(await sign({ ...claims, exp: state.nowMs / 1000 + 60 }, state.keys[0])))).toBe(
    'unavailable',
  )
})

test.each<[string, () => Response]>([
  ['an error', () => new Response('', { status: 500 })],
  ['no JSON', () => new Response('<html>')],
  ['no key set', () => Response.json({ keys: 'none' })],
  ['far too much', () => new Response(`{"keys":[],"x":"${'x'.repeat(keySetLimits.bytes)}"}`)],
])('an endpoint that answers %s is one that is down', async (_name, answer) => {
  const nowMs = () => START_MS
  const keys = publishedSigningKeys(
    { fetch: async () => answer(), nowMs, report: () => undefined },
    URL_OF_KEYS,
  )
  expect(await kindOf(createTokenCheck({ keys, nowMs }, options)(await sign(claims)))).toBe('unavailable')
})

test('a shared key takes what the CLI signs with it, and nothing else', async () => {
  const sharedKey = randomBytes(32).toString('hex')
  const nowMs = () => START_MS
  const check = createTokenCheck({ keys: sharedSigningKey(sharedKey), nowMs }, options)
  const asked = {
    ...options,
    sharedKey,
    userId: 'ann',
    scopes: ['reserve'],
    ttlSeconds: 60,
    nowMs: START_MS,
  } as const
  expect(await check(await signDevelopmentToken(asked))).toMatchObject({
    caller: { userId: 'ann', scopes: ['reserve'] },
  })
  const others = [
    signDevelopmentToken({ ...asked, sharedKey: randomBytes(32).toString('hex') }),
    signDevelopmentToken({ ...asked, audience: 'other' }),
    sign(claims),
    new SignJWT(claims).setProtectedHeader({ alg: 'HS512' }).sign(Buffer.from(sharedKey)),
  ]
  for (const other of others) expect(await kindOf(check(await other))).toBe('refused')
})
