/**
 * A load generator that does not wait: every request has its time in a schedule, whatever became of those before, and its
 * latency counts from that time, so that nothing that a stall keeps from being sent is left out (coordinated omission).
 * Plain sockets with one request under way on each, and as little work per request as possible: it shares the machine.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { LoadTestFault } from '../faults.ts'

export interface LoadPlan {
  readonly url: string
  readonly path: string
  /** The n-th request's. All of one length, in ASCII. */
  readonly body: (n: number) => string
  /** Open before the first request is due. Requests that find none free wait for one, in order. */
  readonly connections: number
  readonly seconds: number
  /** Of these, at the beginning: until the system has found its balance nothing is measured. */
  readonly settleSeconds: number
  /** Requests a second; null: a closed loop, each connection as fast as it is answered. */
  readonly perSecond: number | null
  /** Called when the first request is due. */
  readonly started: () => void
  readonly signal: AbortSignal
}

export interface LoadResult {
  readonly offered: number
  /** Answers of the whole time by status, with the code of a problem behind it. */
  readonly answers: ReadonlyMap<string, number>
  /** Milliseconds from the time in the schedule to the whole answer, of requests that were due after the settling. */
  readonly latenciesMs: ReadonlyMap<string, readonly number[]>
  /** Answers that came between the settling and the last request. */
  readonly inTime: ReadonlyMap<string, number>
  /** Broken connections, each with the request that it had. */
  readonly faults: number
  /** Without an answer when the patience was over, sent or not. */
  readonly unanswered: number
  /** How late requests that found a free connection were sent: the generator's own fault. */
  readonly lateMs: readonly number[]
}

/** After the last request's time. */
const PATIENCE_MS = 10_000
const LATE_SAMPLE = 100
const OPENED_AT_ONCE = 100

export async function generateLoad(plan: LoadPlan): Promise<LoadResult> {
  const generator = new Generator(plan)
  try {
    await generator.connect()
    return await generator.run()
  } finally {
    generator.close()
  }
}

/** `202`, `503 overloaded`. */
function nameOf(answer: string): string {
  const status = answer.slice(9, 12)
  const code = status < '400' ? undefined : /"code":"([\w-]+)"/.exec(answer)?.[1]
  return code === undefined ? status : `${status} ${code}`
}

function countIn(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

const isUnderWay = ({ plannedMs }: Line) => plannedMs !== null

interface Line {
  readonly socket: Socket
  /** The scheduled time of the request under way; null when free. */
  plannedMs: number | null
  received: string
}

class Generator {
  readonly #plan: LoadPlan
  readonly #head: string
  readonly #free: Line[] = []
  readonly #lines = new Set<Line>()
  readonly #answers = new Map<string, number>()
  readonly #latenciesMs = new Map<string, number[]>()
  readonly #inTime = new Map<string, number>()
  readonly #lateMs: number[] = []
  /** Times of requests that found no free connection. */
  #backlog: number[] = []
  #backlogFrom = 0
  #sent = 0
  #faults = 0
  #settledMs = 0
  #untilMs = 0

  constructor(plan: LoadPlan) {
    this.#plan = plan
    this.#head =
      `POST ${plan.path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${plan.body(0).length}\r\n\r\n`
  }

  async connect(): Promise<void> {
    // A few at a time: more would overflow the server's queue of connections, and wait for TCP to try again.
    for (let left = this.#plan.connections; left > 0; left -= OPENED_AT_ONCE) {
      const count = Math.min(left, OPENED_AT_ONCE)
      await Promise.all(Array.from({ length: count }, () => this.#open()))
    }
  }

  async run(): Promise<LoadResult> {
    const { perSecond, seconds } = this.#plan
    this.#plan.started()
    const startMs = performance.now()
    this.#settledMs = startMs + this.#plan.settleSeconds * 1000
    this.#untilMs = startMs + seconds * 1000
    let offered = 0
    if (perSecond === null) {
      for (const line of this.#free.splice(0)) this.#send(line, performance.now())
      await this.#sleepUntil(this.#untilMs)
    } else offered = await this.#offer(startMs, perSecond)
    await this.#settle()
    const answered = [...this.#answers.values()].reduce((sum, count) => sum + count, 0)
    const all = perSecond === null ? this.#sent : offered
    return {
      offered: all,
      answers: this.#answers,
      latenciesMs: this.#latenciesMs,
      inTime: this.#inTime,
      faults: this.#faults,
      unanswered: all - answered - this.#faults,
      lateMs: this.#lateMs,
    }
  }

  close(): void {
    for (const { socket } of this.#lines) socket.destroy()
  }

  async #open(): Promise<void> {
    const { hostname, port } = new URL(this.#plan.url)
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    const line: Line = { socket, plannedMs: null, received: '' }
    socket.setEncoding('latin1')
    socket.on('data', (text) => this.#receive(line, String(text)))
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.on('close', () => this.#lost(line))
    this.#lines.add(line)
    if (this.#plan.perSecond === null) this.#free.push(line)
    else this.#next(line, performance.now())
  }

  /** Every request at its time. Resolves to how many there were. */
  async #offer(startMs: number, perSecond: number): Promise<number> {
    const total = Math.round(this.#plan.seconds * perSecond)
    let offered = 0
    while (offered < total) {
      this.#plan.signal.throwIfAborted()
      const nowMs = performance.now()
      const due = Math.min(total, Math.floor(((nowMs - startMs) * perSecond) / 1000) + 1)
      for (; offered < due; offered++) {
        const plannedMs = startMs + (offered * 1000) / perSecond
        const line = this.#free.pop()
        if (line === undefined) this.#backlog.push(plannedMs)
        else {
          if (offered % LATE_SAMPLE === 0) this.#lateMs.push(nowMs - plannedMs)
          this.#send(line, plannedMs)
        }
      }
      await delay(1)
    }
    return offered
  }

  /** What is under way, and what has not been sent, has its patience. */
  async #settle(): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS
    const isBusy = () => this.#free.length < this.#lines.size && [...this.#lines].some(isUnderWay)
    while (isBusy() && performance.now() < endMs) await this.#sleepUntil(performance.now() + 20)
  }

  async #sleepUntil(untilMs: number): Promise<void> {
    try {
      await delay(Math.max(0, untilMs - performance.now()), undefined, { signal: this.#plan.signal })
    } catch {
      throw new LoadTestFault('interrupted')
    }
  }

  #send(line: Line, plannedMs: number): void {
    line.plannedMs = plannedMs
    line.socket.write(this.#head + this.#plan.body(this.#sent++), 'latin1')
  }

  #receive(line: Line, text: string): void {
    line.received = line.received === '' ? text : line.received + text
    const bodyAt = line.received.indexOf('\r\n\r\n') + 4
    if (bodyAt < 4 || line.plannedMs === null) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(line.received)?.[1])
    if (line.received.length < bodyAt + length) return
    const name = nameOf(line.received)
    const nowMs = performance.now()
    countIn(this.#answers, name)
    if (nowMs >= this.#settledMs && nowMs < this.#untilMs) countIn(this.#inTime, name)
    if (line.plannedMs >= this.#settledMs) {
      const known = this.#latenciesMs.get(name)
      if (known === undefined) this.#latenciesMs.set(name, [nowMs - line.plannedMs])
      else known.push(nowMs - line.plannedMs)
    }
    line.received = ''
    line.plannedMs = null
    this.#next(line, nowMs)
  }

  #next(line: Line, nowMs: number): void {
    if (this.#plan.perSecond === null) {
      if (nowMs < this.#untilMs) this.#send(line, nowMs)
      return
    }
    const plannedMs = this.#backlog[this.#backlogFrom]
    if (plannedMs === undefined) {
      this.#free.push(line)
      return
    }
    this.#backlogFrom++
    if (this.#backlogFrom === this.#backlog.length) {
      this.#backlog = []
      this.#backlogFrom = 0
    }
    this.#send(line, plannedMs)
  }

  #lost(line: Line): void {
    this.#lines.delete(line)
    const at = this.#free.indexOf(line)
    if (at >= 0) this.#free.splice(at, 1)
    if (line.plannedMs !== null) this.#faults++
    if (!this.#plan.signal.aborted && performance.now() < this.#untilMs) this.#open().catch(() => undefined)
  }
}
