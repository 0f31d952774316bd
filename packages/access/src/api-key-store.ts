/** API keys in Postgres: made, listed and revoked by an operator; looked up by the API. */
import { userIdSchema } from '@ironsys/contracts'
import { type Pool, queryAll, type Row } from '@ironsys/postgres'
import type { Statement } from '@ironsys/sql'
import { z } from 'zod'
import { apiKeyText, hashSecret, mintApiKey } from './api-key.ts'
import { type Scope, scopes } from './caller.ts'

export interface NewApiKey {
  /** For people: what it is for. */
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Whom it acts for. Without one it needs more than `reserve`: it owns nothing. */
  readonly userId: string | null
  readonly expiresAt: Date | null
}

const rowSchema = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(scopes)),
  user_id: userIdSchema.nullable(),
  created_at: z.date(),
  expires_at: z.date().nullable(),
  revoked_at: z.date().nullable(),
})
export type ApiKeyRow = z.infer<typeof rowSchema>

export interface ApiKeyStore {
  /** `text` is the key itself: nobody can show it again. */
  create(key: NewApiKey): Promise<{ readonly row: ApiKeyRow; readonly text: string }>
  /** At most {@link apiKeyListMax}, the newest first; with `all` also those that are revoked or have expired. */
  list(all: boolean): Promise<readonly ApiKeyRow[]>
  /** Null for an unknown id. What is revoked stays as it was: `again` says that it was revoked before. */
  revoke(id: string): Promise<{ readonly row: ApiKeyRow; readonly again: boolean } | null>
}

export const apiKeyListMax = 1000

const columns = 'id, name, scopes, user_id, created_at, expires_at, revoked_at'

export function createApiKeyStore(pool: Pool): ApiKeyStore {
  const rows = async (
    name: string,
    text: string,
    values: readonly (string | number | Buffer | null)[],
  ): Promise<readonly ApiKeyRow[]> => {
    const [found = []] = await queryAll(pool, [{ name, text, values }])
    return found.map((row) => rowSchema.parse(row))
  }
  return {
    async create({ name, scopes: granted, userId, expiresAt }) {
      const key = mintApiKey()
      const [row] = await rows(
        'create-api-key',
        `INSERT INTO api_keys (id, name, secret_sha256, scopes, user_id, expires_at)
         VALUES ($1, $2, $3, string_to_array($4, ' '), $5, $6) RETURNING ${columns}`,
        [key.id, name, hashSecret(key.secret), granted.join(' '), userId, expiresAt?.toISOString() ?? null],
      )
      if (row === undefined) throw new Error('the key was not stored')
      return { row, text: apiKeyText(key) }
    },
    list: (all) =>
      rows(
        all ? 'list-all-api-keys' : 'list-api-keys',
        `SELECT ${columns} FROM api_keys ${all ? '' : 'WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())'}
         ORDER BY created_at DESC, id LIMIT $1`,
        [apiKeyListMax],
      ),
    async revoke(id) {
      const [revoked] = await rows(
        'revoke-api-key',
        `UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING ${columns}`,
        [id],
      )
      if (revoked !== undefined) return { row: revoked, again: false }
      const [row] = await rows('show-api-key', `SELECT ${columns} FROM api_keys WHERE id = $1`, [id])
      return row === undefined ? null : { row, again: true }
    },
  }
}

/** What a key is checked against. */
export interface ApiKeyRecord {
  readonly id: string
  readonly secretSha256: Uint8Array
  readonly scopes: readonly Scope[]
  readonly userId: string | null
  /** Unix milliseconds; null: never. */
  readonly expiresAtMs: number | null
  readonly isRevoked: boolean
}

const recordSchema = z
  .object({
    id: z.string(),
    secret_sha256: z.instanceof(Uint8Array),
    scopes: z.array(z.enum(scopes)),
    user_id: z.string().nullable(),
    expires_at: z.date().nullable(),
    revoked_at: z.date().nullable(),
  })
  .transform(
    (row): ApiKeyRecord => ({
      id: row.id,
      secretSha256: row.secret_sha256,
      scopes: row.scopes,
      userId: row.user_id,
      expiresAtMs: row.expires_at?.getTime() ?? null,
      isRevoked: row.revoked_at !== null,
    }),
  )

/** The records of these ids, as far as there are any, in one statement. */
export type FindApiKeys = (ids: readonly string[]) => Promise<readonly ApiKeyRecord[]>

export function findApiKeysWith(run: (statement: Statement) => Promise<readonly Row[]>): FindApiKeys {
  return async (ids) => {
    const rows = await run({
      name: 'find-api-keys',
      text: `SELECT id, secret_sha256, scopes, user_id, expires_at, revoked_at FROM api_keys WHERE id = ANY ($1)`,
      values: [ids],
    })
    return rows.map((row) => recordSchema.parse(row))
  }
}
