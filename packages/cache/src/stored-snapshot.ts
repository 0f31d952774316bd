/**
 * A snapshot as it lies in Redis: `epoch:version:atMs:json`, one string per key. The numbers come first so that the
 * guard reads them without parsing JSON.
 */

/** Where a snapshot stands: a later (epoch, version) replaces an earlier one, never the other way round (I7). */
export interface Version {
  readonly epoch: number
  readonly version: number
}

export interface StoredSnapshot extends Version {
  /** When it was known to be current, Unix milliseconds of the process that wrote it. */
  readonly atMs: number
  readonly document: unknown
}

/** What snapshots, progress and replies need of a connection; a {@link connectRedis} one has it. Each may reject. */
export interface SnapshotRedis {
  get(key: string): Promise<string | null>
  set(key: string, text: string): Promise<unknown>
  /** Answers 1 when stored, 0 when a newer snapshot is there; see {@link putSnapshotLua}. */
  putSnapshot(key: string, epoch: number, version: number, stored: string, ttlMs: number): Promise<number>
  /** Answers how many heard it. */
  publish(channel: string, message: string): Promise<number>
}

/** An equal version is written: it renews the time and the expiry. */
export const putSnapshotLua = `
local epoch, version = string.match(redis.call('GETRANGE', KEYS[1], 0, 63), '^(%d+):(%d+):')
if epoch then
  epoch = tonumber(epoch)
  local newEpoch = tonumber(ARGV[1])
  if epoch > newEpoch or (epoch == newEpoch and tonumber(version) > tonumber(ARGV[2])) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
`

export function isOlder(a: Version, b: Version): boolean {
  return a.epoch < b.epoch || (a.epoch === b.epoch && a.version < b.version)
}

export function encodeSnapshot({ epoch, version, atMs, document }: StoredSnapshot): string {
  return `${epoch}:${version}:${atMs}:${JSON.stringify(document)}`
}

/** Null for anything that is not a stored snapshot: it is then read as a miss. */
export function decodeSnapshot(text: string): StoredSnapshot | null {
  const head = /^(\d{1,15}):(\d{1,15}):(\d{1,15}):/.exec(text)
  if (head === null) return null
  const [prefix, epoch, version, atMs] = head
  try {
    const document: unknown = JSON.parse(text.slice(prefix.length))
    return { epoch: Number(epoch), version: Number(version), atMs: Number(atMs), document }
  } catch {
    return null
  }
}
