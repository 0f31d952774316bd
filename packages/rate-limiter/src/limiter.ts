/**
 * Token buckets that all processes share, asked for in batches: the common request is answered from memory, without a
 * round trip.
 *
 * It is shared, or local while the shared buckets cannot be asked: then each process has a bucket of its own for
 * everybody, of a share of the limit, and looks every {@link PROBE_MS} whether they are back.
 *
 *  R1  In any span of time all processes together let no more pass than the burst, what comes back in that time, and for
 *      each process one lease (and what one request that costs more than the burst owes).
 *  R2  A request passes when all buckets that apply have its cost; else it takes nothing out of any.
 *  R3  One fetch per bucket at a time, and {@link FETCHES_MAX} in all: when they are more, the shared buckets are too slow
 *      to be asked, which is as if they were away.
 *  R4  Nobody waits for longer than the source takes to answer or to fail, {@link ROUNDS_MAX} times.
 */
import { type Bucket, shareOf } from './bucket.ts'
import type { Answer, Lease, Terms } from './lease.ts'
import { LeaseTable } from './lease-table.ts'
import type { TokenSource } from './token-source.ts'

/** Tokens of a lease: at most, and at most so much of what the bucket holds and of what comes back in a second. */
export const LEASE_TOKENS_MAX = 2000
const LEASE_SHARE = 0.1
/** A first lease is this part of what comes back in a second: it is lost where nobody uses it. */
const FIRST_LEASE_SHARE = 0.01
const FIRST_LEASE_MAX = 5
export const FETCHES_MAX = 5000
export const PROBE_MS = 500
/** Others may be faster: a request asks again so often, then it is refused. */
const ROUNDS_MAX = 4

export type Limits<N extends string> = Readonly<Record<N, Bucket | null>>

/** Whose bucket of which limit. */
export interface LimitKey<N extends string> {
  readonly limit: N
  readonly id: string
}

export interface LimiterDeps {
  readonly source: TokenSource
  /** Never goes back. */
  readonly nowMs: () => number
  readonly observer: LimiterObserver
}

export interface LimiterObserver {
  /** A batch of tokens was asked for; `refused`: there were not enough. */
  fetched(result: 'granted' | 'refused' | 'failed'): void
  /** Local from now on, or shared again. `reason`: what the source said last. */
  changed(isLocal: boolean, reason: unknown): void
}

export interface LimiterOptions<N extends string> {
  /** Null: there is no such limit. */
  readonly limits: Limits<N>
  /** Of each limit, while local; above 0, at most 1. */
  readonly localShare: number
  /** Buckets of each limit that are known at a time. */
  readonly entriesMax: number
}

/** What a bucket says of itself. */
export interface Standing<N extends string> {
  readonly limit: N
  readonly bucket: Bucket
  readonly remaining: number
  readonly waitMs: number
}

export interface RateLimiter<N extends string> {
  /** Takes `cost` (1 to {@link COST_MAX}) out of each bucket, or nothing. `ask`: only {@link take} can know. */
  tryTake(keys: readonly LimitKey<N>[], cost: number): Answer
  /** The same, and asks the shared buckets where it has to. Never rejects. */
  take(keys: readonly LimitKey<N>[], cost: number): Promise<boolean>
  /** Of those buckets that have a limit, for a request that costs so much. */
  standings(keys: readonly LimitKey<N>[], cost: number): readonly Standing<N>[]
  /** From now on these limits hold. All that is known is asked for anew. */
  configure(limits: Limits<N>): void
  isLocal(): boolean
  /** Buckets that are known here. */
  size(): number
  /** No more probes. */
  close(): void
}

export function createRateLimiter<N extends string>(
  deps: LimiterDeps,
  options: LimiterOptions<N>,
): RateLimiter<N> {
  return new Limiter(deps, options)
}

interface Found<N extends string> {
  readonly key: LimitKey<N>
  /** Of the shared bucket. */
  readonly id: string
  readonly lease: Lease
  readonly terms: Terms
}

class Limiter<N extends string> implements RateLimiter<N> {
  readonly #deps: LimiterDeps
  readonly #options: LimiterOptions<N>
  #tables: Map<string, LeaseTable>
  #isLocal = false
  #fetches = 0
  #probe: NodeJS.Timeout | null = null
  #isClosed = false

  constructor(deps: LimiterDeps, options: LimiterOptions<N>) {
    this.#deps = deps
    this.#options = options
    this.#tables = tablesOf(options.limits, options)
  }

  tryTake(keys: readonly LimitKey<N>[], cost: number): Answer {
    const nowMs = this.#deps.nowMs()
    return this.#takeNow(this.#find(keys, nowMs), cost, nowMs)
  }

  async take(keys: readonly LimitKey<N>[], cost: number): Promise<boolean> {
    const entered = new Set<Lease>()
    try {
      for (let round = 0; round < ROUNDS_MAX; round++) {
        const nowMs = this.#deps.nowMs()
        const found = this.#find(keys, nowMs)
        const answer = this.#takeNow(found, cost, nowMs)
        if (answer !== 'ask') return answer === 'yes'
        await Promise.all(
          found
            .filter(({ lease }) => lease.check(cost, nowMs) === 'ask')
            .map((each) => {
              if (!entered.has(each.lease)) each.lease.enter()
              entered.add(each.lease)
              each.lease.ask(cost, nowMs)
              return each.lease.fetching ?? this.#fetch(each)
            }),
        )
      }
      return false
    } finally {
      for (const lease of entered) lease.leave()
    }
  }

  standings(keys: readonly LimitKey<N>[], cost: number): readonly Standing<N>[] {
    const nowMs = this.#deps.nowMs()
    return this.#find(keys, nowMs).map(({ key, lease, terms }) => ({
      limit: key.limit,
      bucket: this.#isLocal ? terms.local : terms.bucket,
      remaining: lease.remaining(nowMs),
      waitMs: lease.waitMs(cost, nowMs),
    }))
  }

  configure(limits: Limits<N>): void {
    this.#tables = tablesOf(limits, this.#options)
  }

  isLocal(): boolean {
    return this.#isLocal
  }

  size(): number {
    let size = 0
    for (const table of this.#tables.values()) size += table.size
    return size
  }

  close(): void {
    this.#isClosed = true
    if (this.#probe !== null) clearTimeout(this.#probe)
  }

  #find(keys: readonly LimitKey<N>[], nowMs: number): readonly Found<N>[] {
    const all: Found<N>[] = []
    for (const key of keys) {
      const table = this.#tables.get(key.limit)
      if (table === undefined) continue
      const { id, lease } = table.of(key.id, this.#isLocal, nowMs)
      all.push({ key, id, lease, terms: table.terms })
    }
    return all
  }

  #takeNow(found: readonly Found<N>[], cost: number, nowMs: number): Answer {
    let answer: Answer = 'yes'
    for (const { lease } of found) {
      const own = lease.check(cost, nowMs)
      if (own === 'no') return 'no'
      if (own === 'ask') answer = 'ask'
    }
    if (answer === 'ask') return 'ask'
    for (const each of found) {
      each.lease.spend(cost, nowMs)
      if (each.lease.isLow(nowMs)) void this.#fetch(each)
    }
    return 'yes'
  }

  /** Resolves when the lease may have more. */
  #fetch({ key, id, lease, terms }: Found<N>): Promise<void> {
    if (this.#isLocal) return Promise.resolve()
    if (this.#fetches >= FETCHES_MAX) {
      this.#goLocal(new Error(`${FETCHES_MAX} leases are being fetched`))
      return Promise.resolve()
    }
    this.#fetches++
    const fetching = this.#fetchNow(`${key.limit}:${id}`, lease, terms)
    lease.fetching = fetching
    return fetching
  }

  async #fetchNow(key: string, lease: Lease, { bucket }: Terms): Promise<void> {
    // Everybody who asks in this turn is asked for at once.
    await new Promise<void>((resolve) => process.nextTick(resolve))
    const { source, nowMs, observer } = this.#deps
    const { want, least } = lease.nextWant(nowMs())
    try {
      const grant = await source.take({ key, bucket, want, least })
      observer.fetched(grant.granted > 0 ? 'granted' : 'refused')
      // Too late for one that is local by now; what was taken is lost.
      if (!this.#isLocal) lease.granted(grant, want, nowMs())
    } catch (error) {
      observer.fetched('failed')
      this.#goLocal(error)
    } finally {
      this.#fetches--
      lease.fetching = null
    }
  }

  #goLocal(reason: unknown): void {
    if (this.#isLocal) return
    this.#isLocal = true
    this.#deps.observer.changed(true, reason)
    this.#probeLater()
  }

  #probeLater(): void {
    if (!this.#isClosed) this.#probe = setTimeout(() => void this.#look(), PROBE_MS)
  }

  async #look(): Promise<void> {
    const { source, observer } = this.#deps
    try {
      await source.take({ key: 'probe', bucket: { ratePerSecond: 1, burst: 1 }, want: 0, least: 1 })
    } catch {
      // Its reason was told when it went away.
      this.#probeLater()
      return
    }
    this.#isLocal = false
    observer.changed(false, null)
  }
}

function tablesOf<N extends string>(
  limits: Limits<N>,
  { localShare, entriesMax }: Pick<LimiterOptions<N>, 'localShare' | 'entriesMax'>,
): Map<string, LeaseTable> {
  const tables = new Map<string, LeaseTable>()
  for (const [name, bucket] of Object.entries<Bucket | null>(limits)) {
    if (bucket !== null) tables.set(name, new LeaseTable(termsOf(bucket, localShare), entriesMax))
  }
  return tables
}

function termsOf(bucket: Bucket, localShare: number): Terms {
  const leaseMax = leaseTokensOf(bucket)
  const leaseFirst = Math.min(leaseMax, FIRST_LEASE_MAX, Math.floor(bucket.ratePerSecond * FIRST_LEASE_SHARE))
  return { bucket, local: shareOf(bucket, localShare), leaseMax, leaseFirst }
}

/** Tokens that one process may hold for requests to come. */
function leaseTokensOf({ ratePerSecond, burst }: Bucket): number {
  return Math.min(LEASE_TOKENS_MAX, Math.floor(Math.min(ratePerSecond, burst) * LEASE_SHARE))
}
