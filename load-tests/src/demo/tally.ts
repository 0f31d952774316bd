/** What has happened so far, and the line that shows it. */

export interface Tally {
  readonly buyers: number
  startedMs: number
  accepted: number
  decided: number
  confirmed: number
  rejected: number
  cancelled: number
  expired: number
  /** Buyers who take their time: they hold something, or are in line. */
  lingering: number
  repeats: number
  /** Requests sent again because nobody answered or the answer was "not now". */
  retries: number
  lastProgressMs: number
  lastDecisionMs: number
  /** When a connection failed last, and how; null before the first time. */
  trouble: { readonly atMs: number; readonly what: string } | null
}

export function createTally(buyers: number): Tally {
  const now = performance.now()
  const outcomes = { confirmed: 0, rejected: 0, cancelled: 0, expired: 0 }
  const counts = { accepted: 0, decided: 0, ...outcomes, lingering: 0, repeats: 0, retries: 0 }
  return { buyers, startedMs: now, ...counts, lastProgressMs: now, lastDecisionMs: now, trouble: null }
}

/** Something went forward: patience starts again. */
export function progressed(tally: Tally): void {
  tally.lastProgressMs = performance.now()
}

const RECENT_MS = 2000

export function progressLine(tally: Tally, nowMs: number): string {
  const seconds = ((nowMs - tally.startedMs) / 1000).toFixed(1)
  const parts = [
    `${seconds.padStart(6)} s`,
    `accepted ${tally.accepted}/${tally.buyers}`,
    `decided ${tally.decided}`,
    `confirmed ${tally.confirmed}`,
    `rejected ${tally.rejected}`,
    `cancelled ${tally.cancelled}`,
    `expired ${tally.expired}`,
    `holding or in line ${tally.lingering}`,
  ]
  return parts.join(' · ') + remark(tally, nowMs)
}

function remark(tally: Tally, nowMs: number): string {
  const { trouble } = tally
  if (trouble !== null && nowMs - trouble.atMs < RECENT_MS) {
    return ` — ${trouble.what}: trying again`
  }
  const silentMs = nowMs - tally.lastDecisionMs
  if (silentMs < RECENT_MS || tally.decided + tally.lingering >= tally.accepted) return ''
  return ` — nothing decided for ${Math.round(silentMs / 1000)} s (is a worker running?), still waiting`
}

/** Shows the line: in place on a terminal, else once in a while on a line of its own. */
export function showProgress(tally: Tally): () => void {
  const { isTTY } = process.stdout
  const show = () => {
    const line = progressLine(tally, performance.now())
    process.stdout.write(isTTY ? `\r\x1b[2K${line}` : `${line}\n`)
  }
  const timer = setInterval(show, isTTY ? 100 : 1000)
  return () => {
    clearInterval(timer)
    show()
    if (isTTY) process.stdout.write('\n')
  }
}
