/** Where two texts begin to differ, for people. */

const CONTEXT_LINES = 3

/** Null when they are equal. Otherwise the first differing line of both, with some lines around it. */
export function firstDifference(committed: string, fresh: string): string | null {
  if (committed === fresh) return null
  const left = committed.split('\n')
  const right = fresh.split('\n')
  const at = right.findIndex((line, index) => line !== left[index])
  const line = at < 0 ? right.length : at
  const from = Math.max(0, line - CONTEXT_LINES)
  const some = (lines: readonly string[], mark: string) =>
    lines.slice(line, line + CONTEXT_LINES).map((text) => `${mark} ${text}`)
  return [
    `differs from line ${line + 1} on (- committed, + generated now):`,
    ...right.slice(from, line).map((text) => `  ${text}`),
    ...some(left, '-'),
    ...some(right, '+'),
  ].join('\n')
}
