/** Times as the outside sees them. */

/** The latest text of each place; a batch has few different times, and three or four of them in turns. */
const recentTimes = Array.from({ length: 61 }, () => ({ ms: 0, text: new Date(0).toISOString() }))

/** RFC 3339, UTC, milliseconds. */
export function timeText(ms: number): string {
  const recent = recentTimes[ms % 61]
  if (recent === undefined) return new Date(ms).toISOString()
  if (ms !== recent.ms) {
    recent.text = new Date(ms).toISOString()
    recent.ms = ms
  }
  return recent.text
}

/** The same of a time that there may not be. */
export function timeTextOrNull(ms: number | null): string | null {
  return ms === null ? null : timeText(ms)
}
