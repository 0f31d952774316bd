/**
 * What readers learn of committed batches, on its way to Redis: snapshots, progress and replies.
 *
 *  K1  It never throws and never waits for Redis: the writer goes on as if Redis did not exist.
 *  K2  At most one flush is under way. What comes meanwhile is conflated: per key only the newest snapshot, per
 *      partition only the newest progress. Replies are kept in order.
 *  K3  Everything kept is bounded and what is dropped is counted. Replies of a failed flush are dropped (the waiting
 *      client polls the store); its snapshots and progress are tried again unless newer ones came.
 *  K4  Within a flush, snapshots leave before replies: who learns of a decision finds it in the snapshot.
 */
import { instanceOfReply, type PublishedProgress, type Reply, redisNames } from '@ironsys/contracts'
import type { CommittedBatch, Header, SnapshotSink } from '@ironsys/engine'
import { createDecisionRate, type DecisionRate } from './decision-rate.ts'
import { jittered } from './shared-tier.ts'
import { isOlder, type SnapshotRedis, storeSnapshot, type Version } from './stored-snapshot.ts'

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

interface PendingSnapshot<H> extends Version {
  readonly header: H
}

interface Pending<H> {
  readonly snapshots: Map<string, PendingSnapshot<H>>
  /** By topic and partition. */
  readonly progress: Map<string, PublishedProgress>
  readonly replies: Map<string, Reply[]>
  replyCount: number
}

class Sink<H extends Header, O> implements RedisSink<H, O> {
  readonly #deps: RedisSinkDeps<H>
  readonly #options: RedisSinkOptions
  readonly #rates = new Map<string, DecisionRate>()
  #pending: Pending<H> = emptyPending()
  #flushing: Promise<void> | null = null
  #retry: NodeJS.Timeout | null = null
  #closed = false

  constructor(deps: RedisSinkDeps<H>, options: RedisSinkOptions) {
    this.#deps = deps
    this.#options = options
  }

  committed(batch: CommittedBatch<H, O>): void {
    if (this.#closed) return
    this.#keepProgress(batch)
    for (const [key, header] of this.#deps.snapshots === null ? [] : batch.headers) {
      this.#keepSnapshot(key, { header, epoch: batch.epoch, version: header.version })
    }
    for (const reply of batch.replies) this.#keepReply(reply)
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
    if (!isEmpty(this.#pending)) await this.#flush()
  }

  #keepProgress({ id, nextOffset, decided, firstTimeMs }: CommittedBatch<H, O>): void {
    const name = redisNames.progress(id.topic, id.partition)
    const rate = this.#rates.get(name) ?? createDecisionRate()
    this.#rates.set(name, rate)
    if (decided > 0) rate.add(decided, firstTimeMs, this.#deps.nowMs())
    const { topic, partition } = id
    this.#pending.progress.set(name, { topic, partition, nextOffset, perSecond: rate.perSecond() })
  }

  #keepSnapshot(key: string, snapshot: PendingSnapshot<H>): void {
    const { snapshots } = this.#pending
    const held = snapshots.get(key)
    if (held !== undefined && !isOlder(held, snapshot)) return
    if (held === undefined && snapshots.size >= this.#options.maxSnapshots) {
      this.#deps.observe.dropped('snapshot', 1)
      return
    }
    snapshots.set(key, snapshot)
  }

  #keepReply(reply: Reply): void {
    const pending = this.#pending
    if (pending.replyCount >= this.#options.maxReplies) {
      this.#deps.observe.dropped('reply', 1)
      return
    }
    pending.replyCount++
    const instance = instanceOfReply(reply.to)
    const list = pending.replies.get(instance)
    if (list === undefined) pending.replies.set(instance, [reply])
    else list.push(reply)
  }

  #startFlush(): void {
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = null
      if (!this.#closed && this.#retry === null && !isEmpty(this.#pending)) this.#startFlush()
    })
  }

  /** Never rejects. */
  async #flush(): Promise<void> {
    const taken = this.#pending
    this.#pending = emptyPending()
    try {
      await allOf(this.#send(taken))
      this.#deps.observe.replied(taken.replyCount)
    } catch {
      this.#takeBack(taken)
    }
  }

  /** Gives all commands to the connection in one tick, which sends them as one pipeline in this order. */
  #send({ snapshots, progress, replies }: Pending<H>): Promise<unknown>[] {
    const { redis } = this.#deps
    const { maxItemsPerMessage } = this.#options
    const sent = this.#sendSnapshots(snapshots)
    for (const [name, value] of progress) {
      const text = JSON.stringify(value)
      sent.push(redis.set(name, text), redis.publish(redisNames.progressChannel, text))
    }
    for (const [instance, list] of replies) {
      for (const part of chunks(list, maxItemsPerMessage)) {
        sent.push(redis.publish(redisNames.replies(instance), JSON.stringify(part)))
      }
    }
    return sent
  }

  #sendSnapshots(snapshots: Pending<H>['snapshots']): Promise<unknown>[] {
    const { redis, snapshots: form } = this.#deps
    const { maxItemsPerMessage, snapshotTtlMs } = this.#options
    if (form === null) return []
    const sent: Promise<unknown>[] = []
    const announced: unknown[] = []
    for (const [key, { header, epoch, version }] of snapshots) {
      const document = form.toDocument(header, key)
      const ttlMs = jittered(snapshotTtlMs, 0.1)
      // As young as can be known, also when it is sent again: a newer one would have taken its place here.
      sent.push(storeSnapshot(redis, form.redisKey(key), { epoch, version, document }, { ttlMs, ageMs: 0 }))
      announced.push({ key, epoch, version, document })
    }
    for (const part of chunks(announced, maxItemsPerMessage)) {
      sent.push(redis.publish(redisNames.snapshots, JSON.stringify(part)))
    }
    return sent
  }

  #takeBack(failed: Pending<H>): void {
    if (failed.replyCount > 0) this.#deps.observe.dropped('reply', failed.replyCount)
    if (this.#closed) {
      if (failed.snapshots.size > 0) this.#deps.observe.dropped('snapshot', failed.snapshots.size)
      if (failed.progress.size > 0) this.#deps.observe.dropped('progress', failed.progress.size)
      return
    }
    for (const [key, snapshot] of failed.snapshots) this.#keepSnapshot(key, snapshot)
    for (const [name, value] of failed.progress) {
      if (!this.#pending.progress.has(name)) this.#pending.progress.set(name, value)
    }
    this.#retry = setTimeout(() => {
      this.#retry = null
      this.#startFlush()
    }, this.#options.retryMs).unref()
  }
}

function emptyPending<H>(): Pending<H> {
  return { snapshots: new Map(), progress: new Map(), replies: new Map(), replyCount: 0 }
}

function isEmpty({ snapshots, progress, replies }: Pending<unknown>): boolean {
  return snapshots.size === 0 && progress.size === 0 && replies.size === 0
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
