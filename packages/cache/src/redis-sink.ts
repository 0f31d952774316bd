/**
 * What readers learn of committed batches, on its way to Redis: snapshots, removals, progress and replies.
 *
 *  K1  It never throws and never waits for Redis: the writer goes on as if Redis did not exist.
 *  K2  At most one flush is under way. What comes meanwhile is conflated: per key only the newest snapshot and whether
 *      the key was removed before it, per partition only the newest progress. Replies are kept in order.
 *  K3  Everything kept is bounded and what is dropped is counted. Replies that could not be sent are dropped (the
 *      waiting client polls the store); what could not be written or announced is tried again unless newer came.
 *  K4  A flush writes snapshots before it tells anybody anything: who learns of a decision finds it in the snapshot.
 *      It waits for the writes, because in a cluster keys and channels are at different nodes. A write that failed holds
 *      nothing up: the others' announcements and replies do not depend on a node that is down.
 */
import { type PublishedProgress, type Reply, redisNames } from '@ironsys/contracts'
import type { CommittedBatch, Header, SnapshotSink } from '@ironsys/engine'
import { createDecisionRate, type DecisionRate } from './decision-rate.ts'
import { type KeyNews, PendingNews } from './pending-news.ts'
import { jittered } from './shared-tier.ts'
import type { Announcement, Snapshot } from './snapshot.ts'
import { type SnapshotRedis, storeSnapshot } from './stored-snapshot.ts'

export type SinkKind = 'snapshot' | 'reply' | 'progress'

export interface RedisSinkOptions {
  /** How long a snapshot stays in Redis without being written again. */
  readonly snapshotTtlMs: number
  readonly maxSnapshots: number
  readonly maxReplies: number
  /** Items per published message: keeps a message well under a megabyte. */
  readonly maxItemsPerMessage: number
  readonly retryMs: number
}

export const redisSinkDefaults: RedisSinkOptions = {
  snapshotTtlMs: 600_000,
  maxSnapshots: 10_000,
  maxReplies: 20_000,
  maxItemsPerMessage: 500,
  retryMs: 250,
}

/** How a header becomes a snapshot. */
export interface SnapshotForm<H extends Header> {
  /** The Redis key of a domain key. */
  readonly redisKey: (key: string) => string
  readonly toDocument: (header: H, key: string) => unknown
}

export interface RedisSinkDeps<H extends Header> {
  /** A connection of {@link connectRedis}; give it a longer command time-out than readers have. */
  readonly redis: SnapshotRedis
  /** Null for a domain whose state nobody reads here: only progress and replies are sent. */
  readonly snapshots: SnapshotForm<H> | null
  readonly nowMs: () => number
  readonly observe: {
    dropped(kind: SinkKind, count: number): void
    /** Replies handed to Redis. */
    replied(count: number): void
  }
  readonly options?: Partial<RedisSinkOptions>
}

export interface RedisSink<H extends Header, O> extends SnapshotSink<H, O> {
  /** Sends what is left, for at most `timeoutMs`. Never throws. */
  close(timeoutMs: number): Promise<void>
}

export function createRedisSink<H extends Header, O>(deps: RedisSinkDeps<H>): RedisSink<H, O> {
  return new Sink(deps, { ...redisSinkDefaults, ...deps.options })
}

/** A key's news, ready to be sent. */
interface Item<H> {
  readonly key: string
  readonly news: KeyNews<H>
  readonly snapshot: Snapshot<unknown> | null
}

class Sink<H extends Header, O> implements RedisSink<H, O> {
  readonly #deps: RedisSinkDeps<H>
  readonly #options: RedisSinkOptions
  readonly #rates = new Map<string, DecisionRate>()
  #pending: PendingNews<H>
  #flushing: Promise<void> | null = null
  #retry: NodeJS.Timeout | null = null
  #closed = false

  constructor(deps: RedisSinkDeps<H>, options: RedisSinkOptions) {
    this.#deps = deps
    this.#options = options
    this.#pending = new PendingNews(options)
  }

  committed(batch: CommittedBatch<H, O>): void {
    if (this.#closed) return
    this.#pending.addProgress(this.#progressOf(batch))
    if (this.#deps.snapshots !== null) this.#keepKeys(batch)
    const droppedReplies = batch.replies.filter((reply) => !this.#pending.addReply(reply)).length
    this.#dropped('reply', droppedReplies)
    if (this.#flushing === null && this.#retry === null) this.#startFlush()
  }

  async close(timeoutMs: number): Promise<void> {
    this.#closed = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
    const { promise: deadline, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, timeoutMs)
    await Promise.race([this.#drain(), deadline])
    clearTimeout(timer)
  }

  async #drain(): Promise<void> {
    await this.#flushing
    if (!this.#pending.isEmpty()) await this.#flush()
  }

  #progressOf({ id, nextOffset, decided, firstTimeMs }: CommittedBatch<H, O>): PublishedProgress {
    const { topic, partition } = id
    const name = redisNames.progress(topic, partition)
    const rate = this.#rates.get(name) ?? createDecisionRate()
    this.#rates.set(name, rate)
    if (decided > 0) rate.add(decided, firstTimeMs, this.#deps.nowMs())
    return { topic, partition, nextOffset, perSecond: rate.perSecond() }
  }

  #keepKeys({ epoch, headers, removed }: CommittedBatch<H, O>): void {
    let dropped = 0
    for (const [key, version] of removed) {
      if (!this.#pending.addKey(key, { removed: { epoch, version }, snapshot: null })) dropped++
    }
    for (const [key, header] of headers) {
      const snapshot = { header, epoch, version: header.version }
      if (!this.#pending.addKey(key, { removed: null, snapshot })) dropped++
    }
    this.#dropped('snapshot', dropped)
  }

  #startFlush(): void {
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = null
      if (!this.#closed && this.#retry === null && !this.#pending.isEmpty()) this.#startFlush()
    })
  }

  /** Never rejects. */
  async #flush(): Promise<void> {
    const taken = this.#pending
    this.#pending = new PendingNews(this.#options)
    try {
      const items = [...taken.keys].map(([key, news]) => this.#itemOf(key, news))
      const unwritten = await this.#write(items)
      await allOf(this.#tell(items, taken))
      this.#deps.observe.replied(taken.replyCount)
      if (unwritten.size > 0) this.#takeBack(unwritten, new Map())
    } catch {
      this.#dropped('reply', taken.replyCount)
      this.#takeBack(taken.keys, taken.progress)
    }
  }

  #itemOf(key: string, news: KeyNews<H>): Item<H> {
    const { snapshots: form } = this.#deps
    const { snapshot } = news
    if (form === null || snapshot === null) return { key, news, snapshot: null }
    const { epoch, version, header } = snapshot
    return { key, news, snapshot: { epoch, version, document: form.toDocument(header, key) } }
  }

  /** Gives all commands to the connection in one tick, which sends them together. Answers what could not be written. */
  async #write(items: readonly Item<H>[]): Promise<ReadonlyMap<string, KeyNews<H>>> {
    const unwritten = new Map<string, KeyNews<H>>()
    const write = async (item: Item<H>) => {
      try {
        await allOf(this.#writeItem(item))
      } catch {
        unwritten.set(item.key, item.news)
      }
    }
    await Promise.all(items.map(write))
    return unwritten
  }

  /** The removal first: one node carries them out in this order. */
  #writeItem({ key, news: { removed }, snapshot }: Item<H>): readonly Promise<unknown>[] {
    const { redis, snapshots: form } = this.#deps
    if (form === null) return []
    const redisKey = form.redisKey(key)
    const sent: Promise<unknown>[] = []
    if (removed !== null) sent.push(redis.removeSnapshot(redisKey, removed.epoch, removed.version))
    // As young as can be known, also when it is sent again: a newer one would have taken its place here.
    const lifetime = { ttlMs: jittered(this.#options.snapshotTtlMs, 0.1), ageMs: 0 }
    if (snapshot !== null) sent.push(storeSnapshot(redis, redisKey, snapshot, lifetime))
    return sent
  }

  #tell(items: readonly Item<H>[], { progress, replies }: PendingNews<H>): readonly Promise<unknown>[] {
    const { redis } = this.#deps
    const { maxItemsPerMessage } = this.#options
    const sent: Promise<unknown>[] = []
    for (const part of chunks(items.flatMap(announcementsOf), maxItemsPerMessage)) {
      sent.push(redis.publish(redisNames.snapshots, JSON.stringify(part)))
    }
    for (const [name, value] of progress) {
      const text = JSON.stringify(value)
      sent.push(redis.set(name, text), redis.publish(redisNames.progressChannel, text))
    }
    for (const [instance, list] of replies) {
      for (const part of chunks<Reply>(list, maxItemsPerMessage)) {
        sent.push(redis.publish(redisNames.replies(instance), JSON.stringify(part)))
      }
    }
    return sent
  }

  #takeBack(keys: ReadonlyMap<string, KeyNews<H>>, progress: ReadonlyMap<string, PublishedProgress>): void {
    if (this.#closed) {
      this.#dropped('snapshot', keys.size)
      this.#dropped('progress', progress.size)
      return
    }
    const lost = [...keys].filter(([key, news]) => !this.#pending.addEarlierKey(key, news)).length
    this.#dropped('snapshot', lost)
    for (const [name, value] of progress) this.#pending.addEarlierProgress(name, value)
    this.#retry = setTimeout(() => {
      this.#retry = null
      this.#startFlush()
    }, this.#options.retryMs).unref()
  }

  #dropped(kind: SinkKind, count: number): void {
    if (count > 0) this.#deps.observe.dropped(kind, count)
  }
}

function announcementsOf({
  key,
  news: { removed },
  snapshot,
}: Item<unknown>): readonly Announcement<unknown>[] {
  const announced: Announcement<unknown>[] = removed === null ? [] : [{ key, ...removed, document: null }]
  return snapshot === null ? announced : [...announced, { key, ...snapshot }]
}

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}

/** Waits for all, then throws if one failed: nothing of a flush may be under way when the next one starts. */
async function allOf(promises: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(promises)
  const failure = results.find((result) => result.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}
