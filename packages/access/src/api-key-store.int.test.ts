import { createPool, type Pool, queryAll } from '@ironsys/postgres'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hashSecret, parseApiKey } from './api-key.ts'
import { createApiKeyStore, findApiKeysWith } from './api-key-store.ts'

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 1 })
})
afterAll(async () => {
  await pool?.end()
  await database?.drop()
})

const find = (...ids: readonly string[]) =>
  findApiKeysWith(async (statement) => (await queryAll(pool, [statement]))[0] ?? [])(ids)

test('a key is made, found by its hash alone, listed and revoked once', async () => {
  const store = createApiKeyStore(pool)
  const expiresAt = new Date(Date.now() + 60_000)
  const made = await store.create({ name: 'orders', scopes: ['reserve', 'operate'], userId: null, expiresAt })
  const other = await store.create({ name: 'ann’s', scopes: ['reserve'], userId: 'ann', expiresAt: null })
  const key = parseApiKey(made.text)
  expect(key?.id).toBe(made.row.id)
  const [record, ...more] = await find(made.row.id, '0'.repeat(16))
  expect(more).toEqual([])
  expect(record).toMatchObject({
    scopes: ['reserve', 'operate'],
    userId: null,
    expiresAtMs: expiresAt.getTime(),
    isRevoked: false,
  })
  expect(Buffer.from(record?.secretSha256 ?? [])).toEqual(hashSecret(key?.secret ?? ''))
  const { rows } = await pool.query('SELECT to_jsonb(k)::text AS row FROM api_keys k')
  expect(JSON.stringify(rows)).not.toContain(key?.secret)
  expect((await store.list(false)).map(({ id }) => id)).toEqual([other.row.id, made.row.id])

  expect(await store.revoke(made.row.id)).toMatchObject({ again: false })
  expect(await store.revoke(made.row.id)).toMatchObject({ again: true })
  expect(await store.revoke('0'.repeat(16))).toBeNull()
  expect((await find(made.row.id))[0]?.isRevoked).toBe(true)
  expect((await store.list(false)).map(({ id }) => id)).toEqual([other.row.id])
  expect(await store.list(true)).toHaveLength(2)
})

test('the table refuses a key that could do nothing, and scopes that are none', async () => {
  const store = createApiKeyStore(pool)
  const key = { name: 'x', scopes: ['reserve'], userId: null, expiresAt: null } as const
  await expect(store.create(key)).rejects.toThrow('acts_for_somebody')
  await expect(store.create({ ...key, scopes: [], userId: 'ann' })).rejects.toThrow('known_scopes')
  await expect(store.create({ ...key, userId: 'ann', expiresAt: new Date(0) })).rejects.toThrow(
    'expires_later',
  )
})
