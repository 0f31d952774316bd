/** The names of what lives in Redis: only copies, never the truth. Keys that go together hash together. */

export const redisNames = {
  /** A slot's snapshot. */
  slot: (slotId: string): string => `ironsys:{slot:${slotId}}`,
  /** Channel: a JSON array of snapshots that just changed, for every API instance's L1. */
  snapshots: 'ironsys:snapshots',
  /** A partition's published progress; the same text is announced on {@link redisNames.progressChannel}. */
  progress: (topic: string, partition: number): string => `ironsys:{progress:${topic}:${partition}}`,
  progressChannel: 'ironsys:progress',
  /** Channel: a JSON array of decisions for the clients that one API instance holds. */
  replies: (instanceId: string): string => `ironsys:replies:${instanceId}`,
  /** What a request with an idempotency key was accepted as. */
  replay: (digest: string): string => `ironsys:{replay:${digest}}`,
} as const

/** How far a partition's writer is: what a cursor's position and ETA are worked out from. */
export interface PublishedProgress {
  readonly topic: string
  readonly partition: number
  /** The offset of the next command to be decided. */
  readonly nextOffset: number
  /** Commands decided per second, a moving average; 0 when unknown. */
  readonly perSecond: number
}

/**
 * Where a decision is waited for: one request at one instance. Not the command's id: a command that was sent twice is
 * decided twice, and the answer to the first is not the answer to the second (its body may differ).
 */
export function replyAddress(instanceId: string, requestNumber: number): string {
  return `${instanceId}/${requestNumber}`
}

/** The instance in an address of {@link replyAddress}. */
export function instanceOfReply(address: string): string {
  const end = address.indexOf('/')
  return end === -1 ? address : address.slice(0, end)
}

/** One decision on its way to the request that waits for it. */
export interface Reply {
  /** Of {@link replyAddress}. */
  readonly to: string
  readonly outcome: unknown
}
