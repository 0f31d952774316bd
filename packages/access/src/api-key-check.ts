/**
 * Whether an API key is good, asked at most once a second and key.
 *
 *  K1  What was read less than {@link apiKeyLimits.freshMs} ago counts, also that there is no such key: a revocation works
 *      within a second.
 *  K2  One statement is under way at a time, with all ids that are asked for: a flood of made-up keys costs no more.
 *  K3  While the store cannot be asked, a key counts as it was last known, for at most {@link apiKeyLimits.lastKnownMs}.
 *      What is not known is neither good nor bad then. Made-up keys do not push known ones out.
 */
import { type ApiKey, isSecretOf } from './api-key.ts'
import type { ApiKeyRecord, FindApiKeys } from './api-key-store.ts'
import { type Authentication, refused } from './authenticator.ts'
import { grantedScopes } from './caller.ts'
import { createRecent } from './recent.ts'

export const apiKeyLimits = {
  /** Below the second in which a revocation works. */
  freshMs: 800,
  lastKnownMs: 60_000,
  /** The store is given up on for this request after so long, and asked again only after as long again. */
  storeTimeoutMs: 1000,
  /** Ids in one statement. */
  batch: 500,
  /** Ids that wait for the next statement. */
  waiting: 5000,
  /** Remembered, of keys that exist and of ids that do not, each. */
  remembered: 10_000,
} as const

export type CheckApiKey = (key: ApiKey) => Authentication | Promise<Authentication>

export interface ApiKeyCheckDeps {
  readonly find: FindApiKeys
  /** Unix milliseconds. */
  readonly nowMs: () => number
}

/** A record, or that there is none, as of when the store was asked. */
interface Seen {
  readonly record: ApiKeyRecord | null
  readonly atMs: number
}

export function createApiKeyCheck({ find, nowMs }: ApiKeyCheckDeps): CheckApiKey {
  const known = createRecent<Seen>(apiKeyLimits.remembered)
  const unknown = createRecent<Seen>(apiKeyLimits.remembered)
  const remember = (id: string, seen: Seen) => {
    const [one, other] = seen.record === null ? [unknown, known] : [known, unknown]
    one.set(id, seen)
    other.delete(id)
  }
  const lookUp = createLookUps(find, nowMs, remember)
  let troubledUntilMs = 0

  const judge = ({ record }: Seen, key: ApiKey): Authentication => {
    if (record === null || !isSecretOf(key.secret, record.secretSha256)) return refused(NOT_VALID)
    if (record.isRevoked) return refused(NOT_VALID)
    if (record.expiresAtMs !== null && record.expiresAtMs <= nowMs())
      return refused('The API key has expired')
    const { id: keyId, userId } = record
    const scopes = grantedScopes(record.scopes)
    return { kind: 'caller', caller: { userId, scopes, via: 'api-key', keyId } }
  }
  const withoutStore = (key: ApiKey, seen: Seen | undefined, cause: unknown): Authentication => {
    const counts = seen !== undefined && isWithin(nowMs() - seen.atMs, apiKeyLimits.lastKnownMs)
    return counts ? judge(seen, key) : { kind: 'unavailable', cause }
  }
  const ask = async (key: ApiKey, seen: Seen | undefined): Promise<Authentication> => {
    try {
      return judge(await inTime(lookUp(key.id)), key)
    } catch (error) {
      troubledUntilMs = nowMs() + apiKeyLimits.storeTimeoutMs
      return withoutStore(key, seen, error)
    }
  }
  return (key) => {
    const seen = known.get(key.id) ?? unknown.get(key.id)
    const now = nowMs()
    if (seen !== undefined && isWithin(now - seen.atMs, apiKeyLimits.freshMs)) return judge(seen, key)
    if (now < troubledUntilMs) return withoutStore(key, seen, new Error('the store did not answer just now'))
    return ask(key, seen)
  }
}

/** What was seen before the clock was set back is of no known age. */
function isWithin(ageMs: number, limitMs: number): boolean {
  return ageMs >= 0 && ageMs < limitMs
}

const NOT_VALID = 'The API key is not valid'

type LookUp = (id: string) => Promise<Seen>

interface Waiter {
  readonly resolve: (seen: Seen) => void
  readonly reject: (error: unknown) => void
}

/** One statement at a time; what is asked for meanwhile goes together into the next. */
function createLookUps(
  find: FindApiKeys,
  nowMs: () => number,
  remember: (id: string, seen: Seen) => void,
): LookUp {
  const waiting = new Map<string, Waiter & { readonly result: Promise<Seen> }>()
  let isRunning = false

  async function run(): Promise<void> {
    isRunning = true
    while (waiting.size > 0) await runBatch([...waiting].slice(0, apiKeyLimits.batch))
    isRunning = false
  }
  async function runBatch(batch: readonly (readonly [string, Waiter])[]): Promise<void> {
    for (const [id] of batch) waiting.delete(id)
    const atMs = nowMs()
    try {
      const records = new Map((await find(batch.map(([id]) => id))).map((record) => [record.id, record]))
      for (const [id, { resolve }] of batch) {
        const seen = { record: records.get(id) ?? null, atMs }
        remember(id, seen)
        resolve(seen)
      }
    } catch (error) {
      for (const [, { reject }] of batch) reject(error)
    }
  }
  return (id) => {
    const asked = waiting.get(id)
    if (asked !== undefined) return asked.result
    if (waiting.size >= apiKeyLimits.waiting) return Promise.reject(new Error('too many keys are looked up'))
    const { promise: result, resolve, reject } = Promise.withResolvers<Seen>()
    // Whoever waits may have given up by then.
    result.catch(() => undefined)
    waiting.set(id, { resolve, reject, result })
    if (!isRunning) void run()
    return result
  }
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new Error('the store did not answer in time')),
    apiKeyLimits.storeTimeoutMs,
  )
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
