/**
 * The checks `snapshots` and `snapshot-behind`: what lies in Redis against state.
 *
 * Order of reading: Redis first, the database after it. A snapshot leaves after its commit, so that in a healthy system
 * it is never ahead. One that is behind is on its way: it is looked at again until it has reached what state was at the
 * first look, and becomes a finding when it does not within a bounded wait. A missing one is fine.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import {
  decodeSnapshot,
  isOlder,
  type SnapshotRedis,
  type StoredSnapshot,
  type Version,
} from '@ironsys/cache'
import { redisNames, type SlotDocument } from '@ironsys/contracts'
import type { Pool } from '@ironsys/postgres'
import { loadState, readState, slotDocument } from '@ironsys/reservations'
import { z } from 'zod'
import { type Query, readConsistently } from './consistent-read.ts'
import { stateAnswer } from './derive.ts'
import type { Finding, Protocol } from './report.ts'
import { slotIdsAfter } from './slots.ts'

export type SnapshotReader = Pick<SnapshotRedis, 'get'>

export interface SnapshotAuditOptions {
  readonly snapshotWaitMs: number
  readonly snapshotLooks: number
  readonly statementTimeoutMs: number
}

interface StoredState extends Version {
  readonly document: SlotDocument
}

/** By slot id: what state was when its snapshot was found to be behind. */
type Behind = Map<string, Version>

/** No snapshot reads so. */
export const UNREADABLE = ''

/** Null when there is none; {@link UNREADABLE} for a key that holds no text. Rejects as Redis does. */
export async function readSnapshotText(redis: SnapshotReader, slotId: string): Promise<string | null> {
  try {
    return await redis.get(redisNames.slot(slotId))
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return UNREADABLE
    throw error
  }
}

const PAGE_SLOTS = 1000
/** Snapshots that are looked at again; more of them are not waited for. */
const BEHIND_MAX = 10_000

/** The snapshots of one slot, or of all. */
export async function auditSnapshots(
  pool: Pool,
  redis: SnapshotReader,
  slotId: string | null,
  protocol: Protocol,
  options: SnapshotAuditOptions,
  onPage: (slots: number) => void,
): Promise<void> {
  const behind: Behind = new Map()
  for await (const ids of slotIdPages(pool, slotId, options.statementTimeoutMs)) {
    const texts = await Promise.all(ids.map((id) => readSnapshotText(redis, id)))
    const present = ids.filter((_, index) => texts[index] !== null)
    const states = await readStates(pool, present, options.statementTimeoutMs)
    for (const [index, id] of ids.entries()) {
      const text = texts[index]
      if (text !== null && text !== undefined) compare(id, text, states.get(id), behind, protocol)
    }
    onPage(ids.length)
  }
  if (protocol.wants('snapshot-behind')) await waitForThem(redis, behind, protocol, options)
}

function compare(
  id: string,
  text: string,
  state: StoredState | undefined,
  behind: Behind,
  protocol: Protocol,
): void {
  protocol.count('snapshots', 1)
  protocol.count('snapshot-behind', 1)
  const snapshot = decodeSnapshot(text)
  const detail = differenceOf(snapshot, state)
  if (detail !== null) {
    protocol.add(finding('snapshots', id, detail, state === undefined ? null : 'snapshot'))
  } else if (snapshot !== null && state !== undefined && isOlder(snapshot, state)) {
    if (behind.size < BEHIND_MAX) behind.set(id, { epoch: state.epoch, version: state.version })
    else protocol.skip('snapshot-behind', `more than ${BEHIND_MAX} snapshots were behind at the first look`)
  }
}

/** What no delay explains; null when the snapshot is current or behind. */
function differenceOf(snapshot: StoredSnapshot | null, state: StoredState | undefined): string | null {
  if (snapshot === null) return 'what is stored in Redis cannot be read as a snapshot'
  if (state === undefined) return 'there is a snapshot, but no such slot'
  if (isOlder(state, snapshot)) return `it is ahead: ${placeOf(snapshot)}, state is at ${placeOf(state)}`
  if (isOlder(snapshot, state)) return null
  const derived: Record<string, unknown> = JSON.parse(JSON.stringify(state.document))
  if (isDeepStrictEqual(derived, snapshot.document)) return null
  const stored = new Map(Object.entries(snapshot.document ?? {}))
  const names = new Set([...Object.keys(derived), ...stored.keys()])
  const different = [...names].filter((name) => !isDeepStrictEqual(derived[name], stored.get(name)))
  const said = different.map(
    (name) => `${name} is ${JSON.stringify(stored.get(name))}, state has ${JSON.stringify(derived[name])}`,
  )
  return `it differs from state at the same version: ${said.join('; ')}`
}

async function waitForThem(
  redis: SnapshotReader,
  behind: Behind,
  protocol: Protocol,
  { snapshotWaitMs, snapshotLooks }: SnapshotAuditOptions,
): Promise<void> {
  const found = new Map<string, StoredSnapshot | null>()
  for (let look = 0; look < snapshotLooks && behind.size > 0; look++) {
    await delay(snapshotWaitMs / snapshotLooks)
    const ids = [...behind.keys()]
    const texts = await Promise.all(ids.map((id) => readSnapshotText(redis, id)))
    for (const [index, id] of ids.entries()) {
      const text = texts[index]
      const snapshot = text === null || text === undefined ? null : decodeSnapshot(text)
      const want = behind.get(id)
      if (snapshot === null || (want !== undefined && !isOlder(snapshot, want))) behind.delete(id)
      else found.set(id, snapshot)
    }
  }
  for (const [id, want] of behind) {
    const at = found.get(id)
    const place = at === null || at === undefined ? '' : ` at ${placeOf(at)}`
    const detail = `it stays${place} for ${snapshotWaitMs / 1000} s, state was at ${placeOf(want)} before`
    protocol.add(finding('snapshot-behind', id, detail, 'snapshot'))
  }
}

function finding(check: Finding['check'], slotId: string, detail: string, repairable: Finding['repairable']) {
  return { check, subject: `snapshot of slot ${slotId}`, slotId, detail, repairable }
}

function placeOf({ epoch, version }: Version): string {
  return `epoch ${epoch}, version ${version}`
}

async function* slotIdPages(
  pool: Pool,
  slotId: string | null,
  timeoutMs: number,
): AsyncGenerator<readonly string[]> {
  if (slotId !== null) {
    yield [slotId]
    return
  }
  for (let after: string | null = null; ; ) {
    const ids: readonly string[] = await slotIdsAfter(pool, after, PAGE_SLOTS, timeoutMs)
    if (ids.length > 0) yield ids
    after = ids.at(-1) ?? null
    if (ids.length < PAGE_SLOTS) return
  }
}

const epochRows = z.array(z.object({ id: z.string(), epoch: z.coerce.number() }))

async function readStates(pool: Pool, ids: readonly string[], timeoutMs: number) {
  return readConsistently(pool, timeoutMs, (query) => readStatesIn(query, ids))
}

/** What the stored slots read as, and under which epoch. Slots that are not there are left out. */
export async function readStatesIn(
  query: Query,
  ids: readonly string[],
): Promise<ReadonlyMap<string, StoredState>> {
  const { text, values } = loadState(ids, [])
  const [answer] = await query(text, values)
  const { headers } = readState(stateAnswer.parse(answer))
  const epochs = epochRows.parse(
    await query('SELECT id, epoch FROM slots WHERE id = ANY ($1::uuid[])', [ids]),
  )
  return new Map(
    epochs.flatMap(({ id, epoch }): readonly [string, StoredState][] => {
      const slot = headers.get(id)
      return slot === undefined ? [] : [[id, { epoch, version: slot.version, document: slotDocument(slot) }]]
    }),
  )
}
