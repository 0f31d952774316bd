/** What readers are still to be told: bounded, and conflated per key to what holds in the end. */
import { instanceOfReply, type PublishedProgress, type Reply, redisNames } from '@ironsys/contracts'
import { isOlder, type Version } from './stored-snapshot.ts'

export interface PendingSnapshot<H> extends Version {
  readonly header: H
}

/** Of one key: first that it was removed, with all of its snapshots up to this version, then how it stands now. */
export interface KeyNews<H> {
  readonly removed: Version | null
  readonly snapshot: PendingSnapshot<H> | null
}

export interface PendingBounds {
  readonly maxSnapshots: number
  readonly maxReplies: number
}

export class PendingNews<H> {
  readonly #bounds: PendingBounds
  readonly keys = new Map<string, KeyNews<H>>()
  /** By the name of the partition's key in Redis. */
  readonly progress = new Map<string, PublishedProgress>()
  /** By the instance that waits for them. */
  readonly replies = new Map<string, Reply[]>()
  replyCount = 0

  constructor(bounds: PendingBounds) {
    this.#bounds = bounds
  }

  isEmpty(): boolean {
    return this.keys.size === 0 && this.progress.size === 0 && this.replies.size === 0
  }

  /** False when there is no room for it. */
  addKey(key: string, later: KeyNews<H>): boolean {
    const earlier = this.keys.get(key)
    if (earlier === undefined && this.keys.size >= this.#bounds.maxSnapshots) return false
    this.keys.set(key, earlier === undefined ? later : conflated(earlier, later))
    return true
  }

  /** What could not be told: it comes before what was added meanwhile. False when there is no room for it. */
  addEarlierKey(key: string, earlier: KeyNews<H>): boolean {
    const later = this.keys.get(key)
    if (later === undefined) return this.addKey(key, earlier)
    this.keys.set(key, conflated(earlier, later))
    return true
  }

  addProgress(progress: PublishedProgress): void {
    this.progress.set(redisNames.progress(progress.topic, progress.partition), progress)
  }

  addEarlierProgress(name: string, progress: PublishedProgress): void {
    if (!this.progress.has(name)) this.progress.set(name, progress)
  }

  /** False when there is no room for it. */
  addReply(reply: Reply): boolean {
    if (this.replyCount >= this.#bounds.maxReplies) return false
    this.replyCount++
    const instance = instanceOfReply(reply.to)
    const list = this.replies.get(instance)
    if (list === undefined) this.replies.set(instance, [reply])
    else list.push(reply)
    return true
  }
}

/** Both, one after the other. */
function conflated<H>(earlier: KeyNews<H>, later: KeyNews<H>): KeyNews<H> {
  if (later.removed === null) {
    const { snapshot: before } = earlier
    const isNews = before === null || (later.snapshot !== null && isOlder(before, later.snapshot))
    return { removed: earlier.removed, snapshot: isNews ? later.snapshot : before }
  }
  // What either of them removes must go.
  const isLower = earlier.removed !== null && isOlder(later.removed, earlier.removed)
  return { removed: isLower ? earlier.removed : later.removed, snapshot: later.snapshot }
}
