/** How a request gets from a process to a server and its answer back: where a simulator puts its faults. */
import { setImmediate } from 'node:timers/promises'

/**
 * Carries one request: runs `work` at the server, at most once, and answers what it answered or threw. `request` names
 * its kind. A wire may be slow and may lose the request or the answer; then it rejects with an error of its own.
 */
export type Wire = <T>(request: string, work: () => T) => Promise<T>

/** The wire of tests that need no faults: the work is done a moment later. */
export const directWire: Wire = async (_request, work) => {
  await setImmediate()
  return work()
}
