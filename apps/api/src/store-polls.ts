/**
 * Requests that look at the store again and again because nothing tells them of what they wait for. However many come,
 * few poll and fewer read at once: other reads need the connections too.
 */

export const pollLimits = {
  /** Requests that poll at once. Beyond it a request is answered without waiting. */
  waiters: 1000,
  /** Their reads under way at once, of the last look's apart: a look that finds no place is left out. */
  reads: 4,
  /** Between two looks; doubles from one to the next. */
  firstPauseMs: 50,
  longestPauseMs: 500,
} as const

export interface PollRequest<T> {
  read(): Promise<T>
  /** Whether nothing more is waited for. */
  isEnough(value: T): boolean
  readonly untilMs: number
  /** Aborts when nobody waits any longer. */
  readonly gone: AbortSignal
}

export interface StorePolls {
  hasRoom(): boolean
  /** The value that is enough, or what a last look finds at `untilMs` or when `gone` aborts. Throws what `read` throws. */
  until<T>(request: PollRequest<T>): Promise<T>
}

export function createStorePolls(nowMs: () => number): StorePolls {
  let waiters = 0
  let reads = 0

  async function look<T>({ read }: PollRequest<T>): Promise<T> {
    reads++
    try {
      return await read()
    } finally {
      reads--
    }
  }

  async function poll<T>(request: PollRequest<T>): Promise<T> {
    const { isEnough, untilMs, gone } = request
    let pauseMs: number = pollLimits.firstPauseMs
    for (;;) {
      await pause(Math.min(pauseMs, untilMs - nowMs()), gone)
      if (gone.aborted || nowMs() >= untilMs) return request.read()
      pauseMs = Math.min(pauseMs * 2, pollLimits.longestPauseMs)
      if (reads >= pollLimits.reads) continue
      const value = await look(request)
      if (isEnough(value)) return value
    }
  }

  return {
    hasRoom: () => waiters < pollLimits.waiters,
    async until(request) {
      waiters++
      try {
        return await poll(request)
      } finally {
        waiters--
      }
    },
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const wake = () => resolve()
  const timer = setTimeout(wake, ms)
  signal.addEventListener('abort', wake, { once: true })
  await promise
  clearTimeout(timer)
  signal.removeEventListener('abort', wake)
}
