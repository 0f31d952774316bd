import { expect, test } from 'vitest'
import { apiKeyText, hashSecret, mintApiKey, parseApiKey } from './api-key.ts'
import { apiKeyLimits, createApiKeyCheck } from './api-key-check.ts'
import type { ApiKeyRecord } from './api-key-store.ts'
import { createAuthenticator } from './authenticator.ts'

const START_MS = 1_000_000

/** A store whose keys, clock and health a test turns. */
function world() {
  const state = {
    nowMs: START_MS,
    keys: new Map<string, ApiKeyRecord>(),
    fault: null as Error | null,
    asked: [] as (readonly string[])[],
    held: null as Promise<void> | null,
  }
  const find = async (ids: readonly string[]) => {
    state.asked.push(ids)
    await state.held
    if (state.fault !== null) throw state.fault
    return ids.flatMap((id) => state.keys.get(id) ?? [])
  }
  const check = createApiKeyCheck({ find, nowMs: () => state.nowMs })
  const add = (change: Partial<ApiKeyRecord> = {}) => {
    const key = mintApiKey()
    const record = {
      id: key.id,
      secretSha256: hashSecret(key.secret),
      scopes: ['operate'],
      userId: null,
      expiresAtMs: null,
      isRevoked: false,
      ...change,
    } as const
    state.keys.set(record.id, record)
    return { key, revoke: () => state.keys.set(record.id, { ...record, isRevoked: true }) }
  }
  return { state, check, add }
}

test('a key is text and back; what is not quite one is none', () => {
  const key = mintApiKey()
  const text = apiKeyText(key)
  expect(text).toMatch(/^iron_[0-9a-f]{16}_[\w-]{43}$/)
  expect(parseApiKey(text)).toEqual(key)
  for (const other of [`${text}x`, text.slice(0, -1), text.toUpperCase(), ` ${text}`, 'iron__', ''])
    expect(parseApiKey(other)).toBeNull()
})

test('a good key tells who it is; a wrong secret, an unknown id, an expired and a revoked one are refused', async () => {
  const { check, add, state } = world()
  const { key } = add({ scopes: ['admin'], userId: 'ann' })
  expect(await check(key)).toEqual({
    kind: 'caller',
    caller: { userId: 'ann', scopes: ['reserve', 'operate', 'admin'], via: 'api-key', keyId: key.id },
  })
  expect(await check({ ...key, secret: mintApiKey().secret })).toMatchObject({ kind: 'refused' })
  expect(await check(mintApiKey())).toMatchObject({ kind: 'refused' })
  expect(await check(add({ isRevoked: true }).key)).toMatchObject({ kind: 'refused' })
  const { key: short } = add({ expiresAtMs: START_MS + 10 })
  expect(await check(short)).toMatchObject({ kind: 'caller' })
  state.nowMs += 10
  expect(check(short)).toEqual({ kind: 'refused', why: 'The API key has expired' })
})

test('the store is asked once a while, also for what is not there; a revocation works within a second', async () => {
  const { state, check, add } = world()
  const { key, revoke } = add()
  const unknown = mintApiKey()
  for (let n = 0; n < 50; n++) for (const each of [key, unknown]) await check(each)
  expect(state.asked).toHaveLength(2)
  revoke()
  add({ id: unknown.id, secretSha256: hashSecret(unknown.secret) })
  state.nowMs += 999
  expect(await check(key)).toMatchObject({ kind: 'refused' })
  expect(await check(unknown)).toMatchObject({ kind: 'caller' })
  // A clock that is set back makes nothing young again.
  state.nowMs -= 500_000
  expect(check(key)).toBeInstanceOf(Promise)
})

test('a flood of made-up keys is few statements, one at a time; known keys are not pushed out by it', async () => {
  const { state, check, add } = world()
  const { key } = add()
  await check(key)
  const flood = Array.from({ length: 2 * apiKeyLimits.batch }, () => check(mintApiKey()))
  await Promise.all(flood)
  expect(state.asked.map((ids) => ids.length)).toEqual([1, 1, apiKeyLimits.batch, apiKeyLimits.batch - 1])
  for (let n = 0; n < apiKeyLimits.remembered + 1; n += apiKeyLimits.batch)
    await Promise.all(Array.from({ length: apiKeyLimits.batch }, () => check(mintApiKey())))
  state.fault = new Error('connection lost')
  expect(await check(key)).toMatchObject({ kind: 'caller' })
})

test('while the store is down a key counts as it was last known, for a minute; an unknown one is neither good nor bad', async () => {
  const { state, check, add } = world()
  const [{ key }, { key: other }] = [add(), add()]
  await check(key)
  state.fault = new Error('connection lost')
  state.nowMs += apiKeyLimits.freshMs
  expect(await check(key)).toMatchObject({ kind: 'caller' })
  expect(await check(other)).toMatchObject({ kind: 'unavailable' })
  // It is not asked again by every request.
  const { length } = state.asked
  for (let n = 0; n < 10; n++) expect(await check(key)).toMatchObject({ kind: 'caller' })
  expect(state.asked).toHaveLength(length)
  state.nowMs = START_MS + apiKeyLimits.lastKnownMs
  expect(await check(key)).toMatchObject({ kind: 'unavailable' })
  state.fault = null
  state.nowMs += apiKeyLimits.storeTimeoutMs
  expect(await check(key)).toMatchObject({ kind: 'caller' })
})

test('a store that is frozen holds a request up for a second, and only the first', async () => {
  const { state, check, add } = world()
  const { key } = add()
  await check(key)
  state.nowMs += apiKeyLimits.freshMs
  const { promise, resolve } = Promise.withResolvers<void>()
  state.held = promise
  expect(await check(key)).toMatchObject({ kind: 'caller' })
  expect(check(key)).toMatchObject({ kind: 'caller' })
  resolve()
})

test('a credential is told by its beginning; what is too long is not looked at', async () => {
  const { check, add } = world()
  const authenticator = createAuthenticator({
    apiKey: check,
    token: () => ({ kind: 'refused', why: 'a token' }),
  })
  const { key } = add()
  expect(await authenticator.authenticate(apiKeyText(key))).toMatchObject({ kind: 'caller' })
  expect(authenticator.authenticate('iron_no')).toMatchObject({ why: 'The API key is not valid' })
  expect(authenticator.authenticate('eyJ')).toMatchObject({ why: 'a token' })
  expect(authenticator.authenticate('x'.repeat(10_000))).toMatchObject({ why: 'The token is too long' })
})
