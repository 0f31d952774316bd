/** Spans of time as people write them. */
import { UsageFault } from './command.ts'

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Whole seconds of `90s`, `15m`, `12h` or `30d`, from 1 to `maxSeconds`. Throws {@link UsageFault}. */
export function durationSeconds(name: string, text: string, maxSeconds: number): number {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const seconds = Number(count) * (secondsOf[unit ?? ''] ?? Number.NaN)
  if (seconds >= 1 && seconds <= maxSeconds) return seconds
  throw new UsageFault(
    `${name}: ${text} is not a time like 90s, 15m, 12h or 30d, at most ${maxSeconds / 86_400}d`,
  )
}
