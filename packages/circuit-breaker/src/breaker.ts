/**
 * A circuit breaker around one dependency: opossum, set up in one way for all of them.
 *
 * Modes: closed (calls begin) → open (calls are refused at once) → half-open (one call, the probe, begins) → closed when
 * the dependency answers it, open again when not.
 *
 *  B1  A call that is refused has not begun: after {@link CallRefusedError} nothing was sent.
 *  B2  A call that has begun ends by its own deadline and with its own end, whatever state the breaker is in. opossum's
 *      time-out stays off: it would answer for work that goes on, and give its place in the bulkhead away.
 *  B3  Only what the dependency does counts. An error that it answers with is a sign of life; a full bulkhead and what
 *      fails before it gets there say nothing of it, and do not close what is half-open.
 *  B4  At most `capacity` calls are under way (for a moment twice as many after {@link Breaker.configure}).
 *
 * Beside opossum's share of failures in a window there is a rule of ours, silence: no answer for `silentMs` while calls
 * fail. opossum counts a call when it begins and its failure when it ends, beside the successes of the whole window: a
 * busy dependency that stops answering would keep its share of successes for most of the window, and one that hangs
 * for longer than the window would never reach the volume.
 */
import CircuitBreaker from 'opossum'
import { type BreakerThresholds, checkThresholds, isSame } from './thresholds.ts'

export type BreakerState = 'closed' | 'half-open' | 'open'

/** The call was not begun: the breaker is open, or its bulkhead full. Try again later. */
export class CallRefusedError extends Error {
  override readonly name = 'CallRefusedError'
  readonly why: 'open' | 'full'

  constructor(dependency: string, why: 'open' | 'full') {
    super(
      `${dependency} is not asked: ${why === 'open' ? 'it does not answer' : 'too many calls are under way'}`,
    )
    this.why = why
  }
}

export interface Breaker {
  /**
   * Runs `work`, which must end by itself. Throws what it throws, and {@link CallRefusedError} without having begun it.
   */
  call<T>(work: () => Promise<T>): Promise<T>
  state(): BreakerState
  /** Whether a call would be refused now: open, or half-open with the probe under way. */
  isRefusing(): boolean
  /**
   * Takes other thresholds from now on; what was counted is forgotten, and what is open stays so for another `openMs`.
   * Nothing happens where they are the same. Throws a RangeError as {@link createBreaker} does.
   */
  configure(thresholds: BreakerThresholds): void
  /** From now on every call is refused. What is under way ends by itself. */
  close(): void
}

/** What an error says of the dependency: it is out (no connection, no answer in time), it is alive, or nothing. */
export type Verdict = 'out' | 'alive' | 'nothing'

export interface BreakerDeps {
  readonly dependency: string
  readonly judge: (error: unknown) => Verdict
  /** Monotonic milliseconds. */
  readonly nowMs: () => number
  /** Called once per change, and per call that is refused. Must be cheap and must not throw. */
  readonly changed: (to: BreakerState, from: BreakerState) => void
  readonly refused: (why: 'open' | 'full') => void
}

/** Throws a RangeError for thresholds out of bounds; see {@link checkThresholds}. */
export function createBreaker(deps: BreakerDeps, thresholds: BreakerThresholds): Breaker {
  return new OpossumBreaker(deps, thresholds)
}

type Circuit = CircuitBreaker<[work: () => Promise<void>], void>

class OpossumBreaker implements Breaker {
  readonly #deps: BreakerDeps
  #thresholds: BreakerThresholds
  #circuit: Circuit
  #told: BreakerState = 'closed'
  #failuresInRow = 0
  #silentSinceMs = 0
  #lastAnswerMs = Number.NEGATIVE_INFINITY

  constructor(deps: BreakerDeps, thresholds: BreakerThresholds) {
    this.#deps = deps
    this.#thresholds = thresholds
    this.#circuit = this.#connect(thresholds)
  }

  async call<T>(work: () => Promise<T>): Promise<T> {
    // Not left to opossum: it would count the call, and what was refused while open would make the next failures small.
    if (this.isRefusing()) throw this.#refuse('open')
    const circuit = this.#circuit
    const beganMs = this.#deps.nowMs()
    const { promise, resolve } = Promise.withResolvers<T>()
    try {
      await circuit.fire(async () => resolve(await work()))
    } catch (error) {
      if (isRefusal(error)) throw this.#refuse(circuit.isShutdown ? 'open' : 'full')
      const verdict = this.#deps.judge(error)
      if (verdict === 'out') this.#failed(circuit, beganMs)
      if (verdict === 'alive') this.#answered()
      throw error
    }
    this.#answered()
    return promise
  }

  state(): BreakerState {
    return stateOf(this.#circuit)
  }

  isRefusing(): boolean {
    const { closed, pendingClose } = this.#circuit
    return !closed && !pendingClose
  }

  configure(thresholds: BreakerThresholds): void {
    if (isSame(thresholds, this.#thresholds)) return
    const before = this.#circuit
    const isClosed = before.closed
    const next = this.#connect(thresholds)
    if (!isClosed) next.open()
    this.#thresholds = thresholds
    this.#circuit = next
    before.shutdown()
    this.#tell(next)
  }

  close(): void {
    this.#circuit.shutdown()
  }

  #connect(thresholds: BreakerThresholds): Circuit {
    checkThresholds(thresholds)
    const circuit: Circuit = new CircuitBreaker((work: () => Promise<void>) => work(), {
      name: this.#deps.dependency,
      timeout: false,
      errorThresholdPercentage: thresholds.errorPercent,
      volumeThreshold: thresholds.volume,
      rollingCountTimeout: thresholds.windowMs,
      rollingCountBuckets: 10,
      resetTimeout: thresholds.openMs,
      capacity: thresholds.capacity,
      // Each failure would sort the times of all calls of the window.
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      // What this is true of counts as a success, and closes what is half-open.
      errorFilter: (error: unknown) => {
        const verdict = isRefusal(error) ? 'nothing' : this.#deps.judge(error)
        return verdict === 'alive' || (verdict === 'nothing' && !circuit.halfOpen)
      },
    })
    const changed = () => this.#tell(circuit)
    circuit.on('open', changed).on('halfOpen', changed).on('close', changed)
    return circuit
  }

  #tell(circuit: Circuit): void {
    if (circuit !== this.#circuit) return
    const from = this.#told
    const to = stateOf(circuit)
    this.#told = to
    if (to !== from) this.#deps.changed(to, from)
  }

  #refuse(why: 'open' | 'full'): CallRefusedError {
    this.#deps.refused(why)
    return new CallRefusedError(this.#deps.dependency, why)
  }

  #answered(): void {
    this.#failuresInRow = 0
    this.#lastAnswerMs = this.#deps.nowMs()
  }

  #failed(circuit: Circuit, beganMs: number): void {
    const sinceMs = Math.max(beganMs, this.#lastAnswerMs)
    this.#silentSinceMs = this.#failuresInRow === 0 ? sinceMs : Math.min(this.#silentSinceMs, sinceMs)
    this.#failuresInRow++
    const { silentCalls, silentMs } = this.#thresholds
    const isSilent = this.#deps.nowMs() - this.#silentSinceMs >= silentMs
    if (this.#failuresInRow >= silentCalls && isSilent && !circuit.isShutdown) circuit.open()
  }
}

function stateOf({ opened, halfOpen }: Circuit): BreakerState {
  return opened ? 'open' : halfOpen ? 'half-open' : 'closed'
}

/** opossum's own errors: with its time-out off and open circuits not asked, a full bulkhead or an end of the circuit. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && CircuitBreaker.isOurError(error)
}
