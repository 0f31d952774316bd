/** How far something is that takes long, at what rate, and when it will be done: one line that moves, or lines now and then. */
export interface ProgressMeter {
  /** `done` of the total are done. Cheap: most calls write nothing. */
  report(done: number, total: number): void
  /** Takes the moving line away. */
  clear(): void
}

export interface ProgressMeterOptions {
  /** A terminal gets one line that moves. */
  readonly stream: { readonly isTTY?: boolean; write(text: string): unknown }
  /** What is counted: `ledger entries`. */
  readonly unit: string
  /** When it began, by `nowMs`. */
  readonly startedMs: number
  /** A clock that never goes back, milliseconds. */
  readonly nowMs: () => number
}

const TERMINAL_INTERVAL_MS = 200
const LINES_INTERVAL_MS = 5_000
const CLEAR_LINE = '\r\x1b[K'

export function createProgressMeter(options: ProgressMeterOptions): ProgressMeter {
  const { stream, unit, startedMs, nowMs } = options
  const moving = stream.isTTY === true
  const intervalMs = moving ? TERMINAL_INTERVAL_MS : LINES_INTERVAL_MS
  let shownMs = startedMs
  return {
    report: (done, total) => {
      const now = nowMs()
      if (now - shownMs < intervalMs) return
      shownMs = now
      const line = progressLine(done, total, now - startedMs, unit)
      stream.write(moving ? `${CLEAR_LINE}${line}` : `${line}\n`)
    },
    clear: () => {
      if (moving) stream.write(CLEAR_LINE)
    },
  }
}

/** `120000 of 300000 ledger entries (40%), 41000/s, 4 s left`. */
export function progressLine(done: number, total: number, elapsedMs: number, unit: string): string {
  const perSecond = (done * 1000) / Math.max(elapsedMs, 1)
  const percent = total === 0 ? 100 : Math.floor((done * 100) / total)
  const left = done === 0 ? '' : `, ${Math.ceil(Math.max(total - done, 0) / perSecond)} s left`
  return `${done} of ${total} ${unit} (${percent}%), ${Math.round(perSecond)}/s${left}`
}
