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

/** One decision on its way to the instance that holds the request. */
export interface Reply {
  readonly id: string
  readonly outcome: unknown
}
