/** Times: of this process, and as they are stored and compared (RFC 3339, UTC, milliseconds). */
import { type FieldError, invalid } from './problem.ts'

const EARLIEST_MS = 0
const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z')

/**
 * Unix time in whole milliseconds that never goes back, for waits, windows and ages, and for ids, whose time nobody reads
 * and which are then in order. It does not follow a wall clock that is set; what people are shown of times is the log's.
 */
export function steadyNowMs(): number {
  return Math.floor(performance.timeOrigin + performance.now())
}

/** Throws a 422 at `pointer` for a time outside 1970–9999, which an offset can push it out of. */
export function utcTime(text: string, where: FieldError['in'], pointer: string): string {
  const ms = Date.parse(text)
  if (ms >= EARLIEST_MS && ms <= LATEST_MS) return new Date(ms).toISOString()
  throw invalid(where, pointer, 'must lie between the years 1970 and 9999')
}
