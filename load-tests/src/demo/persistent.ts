/** Requests that are sent again, unchanged, until somebody answers them for good. */
import { setTimeout as delay } from 'node:timers/promises'
import { LoadTestFault } from '../faults.ts'
import { ConnectionFault, type HttpAnswer, type HttpClient, type HttpRequest } from '../http-client.ts'
import type { Tally } from './tally.ts'

export interface Persistence {
  readonly client: HttpClient
  readonly tally: Tally
  readonly patienceMs: number
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1000
const notNow: ReadonlySet<number> = new Set([429, 502, 503, 504])

/**
 * Connection faults and "not now" are tried again after a pause. Commands carry an Idempotency-Key, so sending one
 * again is safe whatever became of the first. Throws a {@link LoadTestFault} when patience ends.
 */
export async function sendUntilAnswered(how: Persistence, request: HttpRequest): Promise<HttpAnswer> {
  const { client, tally } = how
  let pauseMs = FIRST_PAUSE_MS
  for (;;) {
    const result = await client.send(request).catch((error: unknown) => {
      if (error instanceof ConnectionFault) return error
      throw error
    })
    if (!(result instanceof ConnectionFault) && !notNow.has(result.status)) return result
    const what =
      result instanceof ConnectionFault
        ? `the API does not answer (${result.message})`
        : `the API says ${result.status}`
    tally.retries++
    tally.trouble = { atMs: performance.now(), what }
    checkPatience(how, what)
    await delay(pauseMs * (0.5 + Math.random()))
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
  }
}

export function checkPatience({ tally, patienceMs }: Persistence, what: string): void {
  if (performance.now() - tally.lastProgressMs <= patienceMs) return
  throw new LoadTestFault(`gave up after ${patienceMs / 1000} s without progress: ${what}`)
}

/** Runs `work` on each item, at most `limit` at a time; stops at the first fault. */
export async function forEachAtMost<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let failed = false
  const lane = async () => {
    for (let next = iterator.next(); !next.done && !failed; next = iterator.next()) {
      await work(next.value).catch((error: unknown) => {
        failed = true
        throw error
      })
    }
  }
  await Promise.all(Array.from({ length: limit }, lane))
}
