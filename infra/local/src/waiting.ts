/** Waiting for a condition, with a deadline. */
import { setTimeout as delay } from 'node:timers/promises'

const STEP_MS = 50

/**
 * Asks `condition` again and again until it is true.
 * Returns false when `deadlineMs` (from now) has passed or `stop` says that waiting is pointless.
 */
export async function waitUntil(
  condition: () => Promise<boolean> | boolean,
  deadlineMs: number,
  stop: () => boolean = () => false,
): Promise<boolean> {
  const end = performance.now() + deadlineMs
  for (;;) {
    if (await condition()) return true
    if (stop() || performance.now() > end) return false
    await delay(STEP_MS)
  }
}
