/**
 * Clients that wait for a decision (`Prefer: wait`). The worker replies to this instance by name; a reply is best
 * effort, so each waiter also asks the store: now and then while replies arrive, with a growing pause while they do
 * not. It ends with the decision or with the client's patience, whichever is first.
 */
import { type CommandOutcome, replyAddress } from '@ironsys/contracts'

/** What the store says of a command: its outcome, or null while it is not decided or not sure. */
export type AskStore = () => Promise<CommandOutcome | null>

export interface Waiter {
  /** Where the worker sends the outcome. */
  readonly replyTo: string
  /** The outcome, or null after `timeoutMs` or when `signal` aborts. Then it is closed. */
  outcome(timeoutMs: number, askStore: AskStore, signal: AbortSignal): Promise<CommandOutcome | null>
  /** Gives up a waiter whose {@link outcome} is never asked for. */
  close(): void
}

export type ReplyResult = 'delivered' | 'unclaimed' | 'timed-out'

export interface Waiting {
  /** Before the command is sent: its reply may be faster than the log's acknowledgement. Null when it is full. */
  open(): Waiter | null
  /** A reply arrived for the waiter of this address. */
  deliver(replyTo: string, outcome: CommandOutcome): void
  /** Whether replies arrive. */
  setLive(live: boolean): void
  size(): number
}

export const waitingLimits = {
  waiters: 20_000,
  /** Store reads under way at once, for all waiters: an outage of Redis must not become one of Postgres. */
  storeReads: 16,
  /** Between two looks at the store while replies arrive. */
  liveCheckMs: 2000,
  firstCheckMs: 25,
  longestCheckMs: 1000,
} as const

/** The part of the patience after which the store is asked at the latest. */
const LAST_LOOK = 0.8

interface Slot {
  readonly settle: (outcome: CommandOutcome | null) => void
  readonly result: Promise<CommandOutcome | null>
}

interface StoreAccess {
  /** Replies arrive: the store is only asked to be sure. */
  live: boolean
  /** Under way, of all waiters. */
  reads: number
  readonly mayAsk: () => boolean
}

/** `mayAsk`: whether the store is to be asked at all; a store that is out is not, however many wait. */
export function createWaiting(
  instanceId: string,
  observe: (result: ReplyResult) => void,
  mayAsk: () => boolean = () => true,
): Waiting {
  const slots = new Map<string, Slot>()
  let opened = 0
  const store: StoreAccess = { live: false, reads: 0, mayAsk }

  async function waitFor(slot: Slot, timeoutMs: number, askStore: AskStore, signal: AbortSignal) {
    const leave = () => slot.settle(null)
    if (signal.aborted) leave()
    const timer = setTimeout(leave, timeoutMs)
    const stopPolling = pollStore(slot, askStore, store, timeoutMs)
    signal.addEventListener('abort', leave)
    const outcome = await slot.result
    signal.removeEventListener('abort', leave)
    stopPolling()
    clearTimeout(timer)
    if (outcome === null) observe('timed-out')
    return outcome
  }

  return {
    open() {
      if (slots.size >= waitingLimits.waiters) return null
      const { promise, resolve } = Promise.withResolvers<CommandOutcome | null>()
      const slot: Slot = { settle: resolve, result: promise }
      const replyTo = replyAddress(instanceId, opened++)
      slots.set(replyTo, slot)
      return {
        replyTo,
        close: () => void slots.delete(replyTo),
        async outcome(timeoutMs, askStore, signal) {
          try {
            return await waitFor(slot, timeoutMs, askStore, signal)
          } finally {
            slots.delete(replyTo)
          }
        },
      }
    },
    deliver(replyTo, outcome) {
      if (isPending(outcome)) return
      const slot = slots.get(replyTo)
      slot?.settle(outcome)
      observe(slot === undefined ? 'unclaimed' : 'delivered')
    },
    setLive(now) {
      store.live = now
    },
    size: () => slots.size,
  }
}

/** A repeated request found its booking still asking the slots: what becomes of that is found in the store. */
function isPending({ code, booking }: CommandOutcome): boolean {
  return code === 'ok' && booking?.status === 'pending'
}

/** Looks at the store again and again until stopped. */
function pollStore(slot: Slot, askStore: AskStore, store: StoreAccess, timeoutMs: number): () => void {
  // A reply may be lost: whoever waits, however briefly, is looked up once before the patience ends.
  const liveCheckMs = Math.min(waitingLimits.liveCheckMs, timeoutMs * LAST_LOOK)
  let pauseMs: number = waitingLimits.firstCheckMs
  let stopped = false
  let timer: NodeJS.Timeout
  const later = () => {
    timer = setTimeout(look, store.live ? liveCheckMs : pauseMs)
    pauseMs = Math.min(pauseMs * 2, waitingLimits.longestCheckMs)
  }
  const look = async () => {
    if (store.reads >= waitingLimits.storeReads || !store.mayAsk()) return later()
    store.reads++
    // A store that fails is asked again after the pause; the client's patience bounds it.
    const outcome = await askStore().catch(() => null)
    store.reads--
    if (outcome !== null) slot.settle(outcome)
    else if (!stopped) later()
  }
  later()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
