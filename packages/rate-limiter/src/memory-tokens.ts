/** What `takeTokensLua` does, in memory: for benches and tests. Processes do not share it, limiters do. It forgets nobody. */
import { COST_MAX, tokensNeeded } from './bucket.ts'
import type { TokenSource } from './token-source.ts'

export function createMemoryTokens(nowMs: () => number): TokenSource {
  const fullAtMs = new Map<string, number>()
  return {
    async take({ key, bucket, want, least }) {
      const now = nowMs()
      const perTokenMs = 1000 / bucket.ratePerSecond
      const missing = Math.max(0, (fullAtMs.get(key) ?? 0) - now) / perTokenMs
      const most = bucket.burst + COST_MAX
      const tokens = bucket.burst - Math.min(missing, most)
      const enough = want > 0 && tokens >= tokensNeeded(bucket, least)
      const granted = enough ? Math.max(least, Math.min(want, Math.floor(tokens))) : 0
      const left = tokens - granted
      if (granted > 0 || missing > most) fullAtMs.set(key, now + (bucket.burst - left) * perTokenMs)
      return { granted, left }
    },
  }
}
