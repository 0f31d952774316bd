/**
 * Keeps processes running until it is asked to stop.
 *
 * 1. One that ends by itself, killed or crashed, is started again: at once the first time, later a little later each
 *    time, so that one which needs another has it back by then.
 * 2. One that ends again and again, or hangs while it starts, is given up: then nothing is started any more, and this throws.
 * 3. When this returns or throws, no start is under way.
 * 4. Until then this process stays, though it has nothing to do: those that it started do not keep it from ending.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { EndedEarly, LocalFault, type RunningProcess, tailOf } from '@ironsys/local'

export interface KeptProcess {
  readonly running: RunningProcess
  /** Resolves when it is ready. Throws `EndedEarly` when it has ended before; nothing of it runs then. */
  readonly startAgain: (signal: AbortSignal) => Promise<RunningProcess>
}

export interface Patience {
  /** A process may be started so often until it has run for `steadyMs`. */
  readonly startsMax: number
  readonly steadyMs: number
  /** Before a start, times the starts before it. */
  readonly pauseMs: number
  /** Rejects when the signal aborts. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
}

const STAY_MS = 60_000

/** With pauses of 5 s in all. */
const usual: Patience = {
  startsMax: 5,
  steadyMs: 60_000,
  pauseMs: 500,
  pause: (ms, signal) => delay(ms, undefined, { signal }),
}

/** Resolves when `signal` aborts. Throws a {@link LocalFault} with the last words of the one that is given up. */
export async function keepRunning(
  processes: readonly KeptProcess[],
  say: (line: string) => void,
  signal: AbortSignal,
  patience: Partial<Patience> = {},
): Promise<void> {
  const givenUp = new AbortController()
  const over = AbortSignal.any([signal, givenUp.signal])
  const faults: unknown[] = []
  const stay = setInterval(() => undefined, STAY_MS)
  const kept = processes.map(async (each) => {
    try {
      await keepOne(each, say, over, { ...usual, ...patience })
    } catch (error) {
      // What fails because it was called off is not a fault.
      if (!over.aborted) faults.push(error)
      givenUp.abort()
    }
  })
  await Promise.all(kept)
  clearInterval(stay)
  if (faults.length > 0) throw faults[0]
}

async function keepOne(
  { running: first, startAgain }: KeptProcess,
  say: (line: string) => void,
  signal: AbortSignal,
  { startsMax, steadyMs, pauseMs, pause }: Patience,
): Promise<void> {
  const { name, logPath } = first
  let starts = 0
  /** What is to be said of its end; null when asked to stop. */
  const lifeOf = async (running: RunningProcess): Promise<string | null> => {
    const readyMs = performance.now()
    const how = await endOf(running, signal)
    if (performance.now() - readyMs > steadyMs) starts = 0
    return how === null ? null : `${name} ended by itself (${how})`
  }
  let end = await lifeOf(first)
  while (end !== null) {
    if (starts === startsMax) {
      throw new LocalFault(`${end}, after ${startsMax} starts; its log: ${logPath}`, tailOf(logPath))
    }
    say(`${end}; starting it again`)
    await pause(starts * pauseMs, signal)
    starts += 1
    end = await startAgain(signal).then(lifeOf, (error: unknown) => {
      if (error instanceof EndedEarly) return error.message
      throw error
    })
  }
}

/** What it ended on; null when asked to stop first. */
async function endOf(running: RunningProcess, signal: AbortSignal): Promise<string | null> {
  const asked = Promise.withResolvers<null>()
  const stop = () => asked.resolve(null)
  signal.addEventListener('abort', stop)
  try {
    if (signal.aborted) return null
    return await Promise.race([running.exited, asked.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
