/**
 * The versions of the settings in Postgres: appended, never changed.
 *
 *  V1  Of two versions the one that was stored later has the higher number, and was committed later: who changes holds a
 *      lock against other changes from before it reads until its commit.
 *  V2  What a change was made of is what is stored: `ifVersion` of another newest version changes nothing.
 *  V3  At most {@link VERSIONS_KEPT} versions are kept, the newest.
 */
import {
  inTransaction,
  type Pool,
  queryAll,
  type Row,
  type RunStatement,
  type StatementValue,
} from '@ironsys/postgres'
import { z } from 'zod'
import { differences, type Overrides, patched, readOverrides, type SettingsPatch } from './overrides.ts'

export const VERSIONS_KEPT = 1000

interface VersionFacts {
  /** From 1; numbers may be left out. */
  readonly version: number
  readonly changedBy: string
  /** RFC 3339, UTC, milliseconds. */
  readonly changedAt: string
  readonly note: string | null
}

export interface ReadableVersion extends VersionFacts {
  readonly overrides: Overrides
}

/** Of other software. */
export interface UnreadableVersion extends VersionFacts {
  readonly overrides: null
  readonly stored: Readonly<Record<string, unknown>>
  readonly why: string
}

export type SettingsVersion = ReadableVersion | UnreadableVersion

export interface ChangeRequest {
  readonly by: string
  readonly note: string | null
  /** The newest version that it is a change of, 0 for none; null: whatever is the newest. */
  readonly ifVersion: number | null
}

export type Changed =
  | { readonly result: 'changed'; readonly from: ReadableVersion | null; readonly to: ReadableVersion }
  /** It is so already; null: nothing was ever stored. */
  | { readonly result: 'unchanged'; readonly at: ReadableVersion | null }
  /** The newest version is another one; 0: there is none. */
  | { readonly result: 'conflict'; readonly newest: number }
  /** There is nothing that a part of could be changed: the newest version is of other software. */
  | { readonly result: 'unreadable'; readonly version: UnreadableVersion }

export type RolledBack =
  | Exclude<Changed, { result: 'unreadable' }>
  /** The version that was asked for cannot be read. */
  | { readonly result: 'unreadable'; readonly version: UnreadableVersion }
  | { readonly result: 'no-such-version' }

export interface SettingsStore {
  /** Null: nothing was ever stored. */
  newest(): Promise<SettingsVersion | null>
  /** The newest that this software can read. */
  newestReadable(): Promise<ReadableVersion | null>
  /** At most `limit` of those before version `before`, the newest first. */
  history(limit: number, before?: number): Promise<readonly SettingsVersion[]>
  /** Stores the newest version with the patch over it. Throws a ZodError for a patch that is out of bounds. */
  change(patch: SettingsPatch, request: ChangeRequest): Promise<Changed>
  /** Stores the content of `version` again, 0: none; without one, that of the version before the newest. */
  rollBack(version: number | null, request: ChangeRequest): Promise<RolledBack>
}

/** `pool` has write access; one connection is enough. Everything throws what the database throws. */
export function createSettingsStore(pool: Pool): SettingsStore {
  const query = async (name: string, text: string, values: readonly StatementValue[] = []) =>
    (await queryAll(pool, [{ name, text, values }]))[0]?.map(versionOf) ?? []
  return {
    newest: async () => (await query(newest.name, newest.text))[0] ?? null,
    newestReadable: async () => {
      const versions = await query(
        'settings-versions',
        `${select} ORDER BY version DESC LIMIT ${VERSIONS_KEPT}`,
      )
      return versions.find(isReadable) ?? null
    },
    history: (limit, before = Number.MAX_SAFE_INTEGER) =>
      query('settings-history', `${select} WHERE version < $2 ORDER BY version DESC LIMIT $1`, [
        limit,
        before,
      ]),
    change: (patch, request) =>
      exclusively(pool, request, async (from, run) => {
        if (from !== null && !isReadable(from)) return { result: 'unreadable', version: from }
        return append(run, from, patched(from?.overrides ?? {}, patch), request)
      }),
    rollBack: (version, request) =>
      exclusively<RolledBack>(pool, request, async (from, run) => {
        const wanted = version === 0 ? null : await target(run, version, from)
        if (wanted === undefined) return { result: 'no-such-version' }
        if (wanted !== null && !isReadable(wanted)) return { result: 'unreadable', version: wanted }
        return append(run, from, wanted?.overrides ?? {}, request)
      }),
  }
}

const columns = 'version, settings, changed_by, changed_at, note'
const select = `SELECT ${columns} FROM runtime_settings`
const newest = { name: 'settings-newest', text: `${select} ORDER BY version DESC LIMIT 1`, values: [] }

const rowSchema = z.object({
  version: z.coerce.number().int(),
  settings: z.record(z.string(), z.unknown()),
  changed_by: z.string(),
  changed_at: z.date(),
  note: z.string().nullable(),
})

function versionOf(row: Row): SettingsVersion {
  const { version, settings, changed_by, changed_at, note } = rowSchema.parse(row)
  const facts = { version, changedBy: changed_by, changedAt: changed_at.toISOString(), note }
  const read = readOverrides(settings)
  return read.overrides === null
    ? { ...facts, ...read, stored: settings }
    : { ...facts, overrides: read.overrides }
}

export function isReadable(version: SettingsVersion): version is ReadableVersion {
  return version.overrides !== null
}

/** Does `work` with the newest version, of which there will be no newer one before it is done (V1). */
function exclusively<T>(
  pool: Pool,
  { ifVersion }: ChangeRequest,
  work: (from: SettingsVersion | null, run: RunStatement) => Promise<T>,
): Promise<T | Extract<Changed, { result: 'conflict' }>> {
  return inTransaction(pool, async (run) => {
    await run({
      name: 'settings-lock',
      text: 'LOCK TABLE runtime_settings IN SHARE ROW EXCLUSIVE MODE',
      values: [],
    })
    const [row] = await run(newest)
    const from = row === undefined ? null : versionOf(row)
    const version = from?.version ?? 0
    if (ifVersion !== null && ifVersion !== version) return { result: 'conflict', newest: version }
    return work(from, run)
  })
}

/** Null: the time before the first version; undefined: there is no such version, or not any more. */
async function target(run: RunStatement, version: number | null, from: SettingsVersion | null) {
  if (version !== null) {
    const [row] = await run({
      name: 'settings-version',
      text: `${select} WHERE version = $1`,
      values: [version],
    })
    return row === undefined ? undefined : versionOf(row)
  }
  if (from === null) return undefined
  const [row] = await run({
    name: 'settings-version-before',
    text: `${select} WHERE version < $1 ORDER BY version DESC LIMIT 1`,
    values: [from.version],
  })
  return row === undefined ? null : versionOf(row)
}

async function append(
  run: RunStatement,
  from: SettingsVersion | null,
  overrides: Overrides,
  { by, note }: ChangeRequest,
): Promise<Extract<Changed, { result: 'changed' | 'unchanged' }>> {
  const before = from !== null && isReadable(from) ? from : null
  if ((from === null || before !== null) && differences(before?.overrides ?? {}, overrides).length === 0) {
    return { result: 'unchanged', at: before }
  }
  const [row] = await run({
    name: 'settings-append',
    text: `INSERT INTO runtime_settings (settings, changed_by, note) VALUES ($1::jsonb, $2, $3) RETURNING ${columns}`,
    values: [JSON.stringify(overrides), by, note],
  })
  const to = row === undefined ? null : versionOf(row)
  if (to === null || !isReadable(to)) throw new Error('the settings were not stored as they are')
  await run({
    name: 'settings-prune',
    text: `DELETE FROM runtime_settings WHERE version <=
             (SELECT version FROM runtime_settings ORDER BY version DESC OFFSET ${VERSIONS_KEPT} LIMIT 1)`,
    values: [],
  })
  return { result: 'changed', from: before, to }
}
