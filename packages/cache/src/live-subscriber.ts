/**
 * What an API instance hears from Redis: snapshots, its own replies, progress.
 *
 * Modes: lost (no subscription: nothing is heard) and live. Pub/sub keeps nothing, so what is said while lost is never
 * heard; `onRestored` is the moment to look again at whatever matters. A frozen Redis is noticed by pings.
 */
import { type PublishedProgress, type Reply, redisNames } from '@ironsys/contracts'
import type { Redis } from 'ioredis'
import { readAnnouncements, readPublishedProgress, readReplies } from './live-messages.ts'
import type { Announcement } from './snapshot.ts'

export interface LiveSubscriberDeps<D> {
  /** A connection of {@link connectRedis} of its own. */
  readonly redis: Redis
  readonly instanceId: string
  readonly parseDocument: (document: unknown) => D | null
  readonly onSnapshots: (announcements: readonly Announcement<D>[]) => void
  readonly onReplies: (replies: readonly Reply[]) => void
  readonly onProgress: (progress: PublishedProgress) => void
  /** Each time the subscription ends; not when it was never there. */
  readonly onLost: () => void
  /** Each time it begins, the first time too. */
  readonly onRestored: () => void
  /** A message that could not be read was ignored. */
  readonly onUnreadable: (channel: string) => void
  /** How often the connection is asked whether it still answers, default 1 s. */
  readonly pingMs?: number
}

export interface LiveSubscriber {
  isLive(): boolean
  /** Resolves true as soon as it is live, false when it is not within `timeoutMs`. */
  ready(timeoutMs: number): Promise<boolean>
  /** Stops listening and closes the connection. */
  close(): void
}

export function createLiveSubscriber<D>(deps: LiveSubscriberDeps<D>): LiveSubscriber {
  const { redis } = deps
  const waiting = new Set<(live: boolean) => void>()
  let live = false
  let closed = false

  function setLive(now: boolean): void {
    if (live === now || closed) return
    live = now
    if (now) for (const resolve of waiting) resolve(true)
    if (now) deps.onRestored()
    else deps.onLost()
  }
  const subscribe = () => void subscribeAll(deps).then(setLive)
  const onClose = () => setLive(false)
  const onMessage = (channel: string, text: string) => dispatch(deps, channel, text)
  redis.on('ready', subscribe)
  redis.on('close', onClose)
  redis.on('message', onMessage)
  if (redis.status === 'ready') subscribe()
  const pings = setInterval(() => {
    if (live) void answers(redis).then((answered) => answered || setLive(false))
  }, deps.pingMs ?? 1000).unref()

  return {
    isLive: () => live,
    async ready(timeoutMs) {
      if (live) return true
      const { promise, resolve } = Promise.withResolvers<boolean>()
      waiting.add(resolve)
      const timer = setTimeout(() => resolve(false), timeoutMs)
      const result = await promise
      clearTimeout(timer)
      waiting.delete(resolve)
      return result
    },
    close() {
      closed = true
      live = false
      clearInterval(pings)
      redis.off('ready', subscribe).off('close', onClose).off('message', onMessage)
      redis.disconnect()
    },
  }
}

/** True when all three channels are subscribed; else the connection is replaced and its `ready` asks again. */
async function subscribeAll<D>({ redis, instanceId }: LiveSubscriberDeps<D>): Promise<boolean> {
  try {
    await redis.subscribe(redisNames.snapshots, redisNames.replies(instanceId), redisNames.progressChannel)
    return redis.status === 'ready'
  } catch {
    if (redis.status === 'ready') redis.disconnect(true)
    return false
  }
}

/** False when a ping failed: the connection is then replaced. */
async function answers(redis: Redis): Promise<boolean> {
  try {
    await redis.ping()
    return true
  } catch {
    if (redis.status === 'ready') redis.disconnect(true)
    return false
  }
}

function dispatch<D>(deps: LiveSubscriberDeps<D>, channel: string, text: string): void {
  if (channel === redisNames.snapshots) {
    deliver(readAnnouncements(text, deps.parseDocument), deps.onSnapshots, deps, channel)
  } else if (channel === redisNames.progressChannel) {
    deliver(readPublishedProgress(text), deps.onProgress, deps, channel)
  } else {
    deliver(readReplies(text), deps.onReplies, deps, channel)
  }
}

function deliver<D, T>(
  value: T | null,
  to: (value: T) => void,
  deps: LiveSubscriberDeps<D>,
  channel: string,
): void {
  if (value === null) deps.onUnreadable(channel)
  else to(value)
}
