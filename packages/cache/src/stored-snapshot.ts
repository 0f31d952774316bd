/**
 * A snapshot as it lies in Redis: `epoch:version:ttlMs:json`, one string per key that expires. The numbers come first so
 * that the guard reads them without parsing JSON.
 *
 * Its age is what it was given to live less what is left of that. Only Redis's clock counts in it: those of the process
 * that wrote and of the one that reads may be minutes apart.
 */

/** Where a snapshot stands: a later (epoch, version) replaces an earlier one, never the other way round (I7). */
export interface Version {
  readonly epoch: number
  readonly version: number
}

export interface StoredSnapshot extends Version {
  /** How long it had to live when it was known to be current. */
  readonly ttlMs: number
  readonly document: unknown
}

export interface AgedSnapshot extends Version {
  /** Since it was known to be current; never negative. */
  readonly ageMs: number
  readonly document: unknown
}

/** What snapshots, progress and replies need of a connection; a {@link connectRedis} one has it. Each may reject. */
export interface SnapshotRedis {
  get(key: string): Promise<string | null>
  set(key: string, text: string): Promise<unknown>
  /** The text and what is left of its time, milliseconds, of one moment; -1 when it does not expire. */
  getSnapshot(key: string): Promise<readonly [text: string, remainingMs: number] | null>
  /** Answers 1 when stored, 0 when a newer snapshot is there; see {@link putSnapshotLua}. */
  putSnapshot(key: string, epoch: number, version: number, stored: string, ttlMs: number): Promise<number>
  /** Answers 1 when one was removed, 0 when there is none or a newer one; see {@link removeSnapshotLua}. */
  removeSnapshot(key: string, epoch: number, version: number): Promise<number>
  /** Takes the key for `ttlMs`, milliseconds: 1 when it was free, else 0. */
  lock(key: string, token: string, ttlMs: number): Promise<number>
  /** Gives it back: 1 when it was still held with this token, else 0. */
  unlock(key: string, token: string): Promise<number>
  /** Answers how many heard it. */
  publish(channel: string, message: string): Promise<number>
}

/** One script, because between two commands a younger snapshot could lend its time to an older text. */
export const getSnapshotLua = `
local text = redis.call('GET', KEYS[1])
return text and { text, redis.call('PTTL', KEYS[1]) }
`

/** Both take two arguments first, an epoch and a version, and do nothing where something newer lies. */
const guardLua = `
local epoch, version = string.match(redis.call('GETRANGE', KEYS[1], 0, 63), '^(%d+):(%d+):')
if epoch then
  epoch = tonumber(epoch)
  local newEpoch = tonumber(ARGV[1])
  if epoch > newEpoch or (epoch == newEpoch and tonumber(version) > tonumber(ARGV[2])) then return 0 end
end
`

/** An equal version is written: it renews the time and the expiry. */
export const putSnapshotLua = `${guardLua}
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
`

/** Of an equal version too, and of what is no snapshot. */
export const removeSnapshotLua = `${guardLua}
return redis.call('DEL', KEYS[1])
`

export const lockLua = `
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
`

/** Never somebody else's, who took it when the time of this one was over. */
export const unlockLua = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`

export function isOlder(a: Version, b: Version): boolean {
  return a.epoch < b.epoch || (a.epoch === b.epoch && a.version < b.version)
}

export function encodeSnapshot({ epoch, version, ttlMs, document }: StoredSnapshot): string {
  return `${epoch}:${version}:${ttlMs}:${JSON.stringify(document)}`
}

/** Null for anything that is not a stored snapshot: it is then read as a miss. */
export function decodeSnapshot(text: string): StoredSnapshot | null {
  const head = /^(\d{1,15}):(\d{1,15}):(\d{1,15}):/.exec(text)
  if (head === null) return null
  const [prefix, epoch, version, ttlMs] = head
  try {
    const document: unknown = JSON.parse(text.slice(prefix.length))
    return { epoch: Number(epoch), version: Number(version), ttlMs: Number(ttlMs), document }
  } catch {
    return null
  }
}

/** Null when there is none, and for anything that no {@link storeSnapshot} left there. Rejects as Redis does. */
export async function readSnapshot(
  redis: Pick<SnapshotRedis, 'getSnapshot'>,
  key: string,
): Promise<AgedSnapshot | null> {
  const found = await redis.getSnapshot(key)
  if (found === null) return null
  const [text, remainingMs] = found
  const snapshot = decodeSnapshot(text)
  if (snapshot === null || remainingMs < 0 || remainingMs > snapshot.ttlMs) return null
  const { epoch, version, ttlMs, document } = snapshot
  return { epoch, version, document, ageMs: ttlMs - remainingMs }
}

/**
 * Writes it unless a newer one is there. It is gone `ttlMs` after it was known to be current, which was `ageMs` ago by
 * the writer's own clock. Answers 1 when stored, else 0; rejects as Redis does.
 */
export function storeSnapshot(
  redis: Pick<SnapshotRedis, 'putSnapshot'>,
  key: string,
  { epoch, version, document }: Version & { readonly document: unknown },
  { ttlMs, ageMs }: { readonly ttlMs: number; readonly ageMs: number },
): Promise<number> {
  const wholeTtlMs = Math.round(ttlMs)
  const stored = encodeSnapshot({ epoch, version, ttlMs: wholeTtlMs, document })
  // A clock that was set back makes ages negative; Redis takes no time below one millisecond.
  const remainingMs = Math.max(1, wholeTtlMs - Math.max(0, Math.round(ageMs)))
  return redis.putSnapshot(key, epoch, version, stored, remainingMs)
}
