/** The way between processes and servers: slow, lossy, and cut when a server is gone. */
import type { Wire } from '../twins/index.ts'
import type { Actor, Timeline } from './timeline.ts'

/** How often what goes wrong on the way to a server, as probabilities per request. */
export interface Odds {
  /** The server answers with an error and does nothing: a deadlock, a lack of replicas. */
  readonly refused: number
  readonly requestLost: number
  /** The server does its work; the caller learns only that the connection broke. */
  readonly answerLost: number
  /** It takes long: so long, at times, that the caller has given up or died when the work is done. */
  readonly slow: number
}

export const calm: Odds = { refused: 0, requestLost: 0, answerLost: 0, slow: 0 }

/** What happens to the one next request of a kind: chance alone seldom strikes between two particular steps. */
export interface Trap {
  /** What its name begins with. */
  readonly request: string
  readonly effect: 'caller-dies-before' | 'caller-dies-after' | 'answer-lost' | 'late'
  /** So late: just after the server's next request of this name. */
  readonly until?: string
  /** What else happens once the server has done its work, before anybody learns of it. */
  readonly afterwards?: () => void
}

export interface ServerSettings {
  readonly name: string
  /** Shortest and longest way of a request or an answer, milliseconds. */
  readonly latencyMs: readonly [number, number]
  /** The longest that a slow request takes, milliseconds. */
  readonly slowMs: number
  /** After so long a caller gives up, milliseconds. */
  readonly timeoutMs: number
}

export class Server {
  readonly settings: ServerSettings
  odds: Odds = calm
  trap: Trap | null = null
  /** Down: its actor is dead and connections are refused until it is up again. */
  actor: Actor
  /** What callers do when their connection breaks. */
  readonly waiting = new Set<() => void>()
  /** Late requests, by the name of the request that they come after. */
  readonly #late = new Map<string, () => void>()

  constructor(settings: ServerSettings) {
    this.settings = settings
    this.actor = newLife(settings.name)
  }

  get down(): boolean {
    return this.actor.state === 'dead'
  }

  /** Dies; what was under way is lost, and callers learn of it. */
  kill(timeline: Timeline): void {
    timeline.kill(this.actor)
    this.cutConnections()
  }

  /** The trap for this request, which then is no more. */
  spring(request: string): Trap | null {
    const { trap } = this
    if (trap === null || !request.startsWith(trap.request)) return null
    this.trap = null
    return trap
  }

  /** Another one that is held for the same request is lost. */
  hold(until: string, arrive: () => void): void {
    this.#late.set(until, arrive)
  }

  /** The late request that comes after this one, if any. */
  release(request: string): (() => void) | undefined {
    const arrive = this.#late.get(request)
    this.#late.delete(request)
    return arrive
  }

  /** What callers have sent may be worked on all the same; no answer reaches them. */
  cutConnections(): void {
    for (const connectionBroke of this.waiting) connectionBroke()
    this.waiting.clear()
  }

  start(): void {
    if (this.down) this.actor = newLife(this.settings.name)
  }
}

/** Late by little, mostly: just when the caller has looked again what is there, or has gone on from there. */
const LATE_MS = [200, 1000] as const

/** What would fill a trace with nothing. */
const quiet = new Set(['fetch', 'get', 'get-snapshot', 'lock', 'unlock', 'set', 'publish'])

/** The wire from `caller` to `server`. */
export function createWire(timeline: Timeline, caller: Actor, server: Server): Wire {
  const { random } = timeline
  const { name, latencyMs, slowMs, timeoutMs } = server.settings
  const travelMs = () => random.integer(...latencyMs)

  return <T>(request: string, work: () => T): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const life = server.actor
      const later = (settle: () => void) => timeline.schedule(caller, travelMs(), settle)
      const done = (): void => {
        giveUp.cancelled = true
        server.waiting.delete(connectionBroke)
      }
      const fail = (why: string): void => {
        timeline.say(() => `${name} ${request}: ${why}`, caller)
        done()
        reject(new Error(`${name}: ${why}`))
      }
      const connectionBroke = () => void later(() => fail('connection broken'))
      const giveUp = timeline.schedule(caller, timeoutMs, () => fail('no answer in time'))
      const trap = server.spring(request)
      const sprung = trap?.effect
      const arrive = (): void => {
        if (sprung === 'caller-dies-before') {
          timeline.say(() => `${caller.name} dies before its ${request}`, life)
          timeline.kill(caller)
          return
        }
        if (random.chance(server.odds.refused)) {
          later(() => fail('the server refused'))
          return
        }
        const answer = attempt(work)
        trap?.afterwards?.()
        const late = server.release(request)
        if (late !== undefined) timeline.schedule(life, travelMs(), late)
        if ('fault' in answer || !quiet.has(request)) {
          const fault = 'fault' in answer ? `: ${answer.fault}` : ''
          timeline.say(() => `${request} of ${caller.name}${fault}`, life)
        }
        if (sprung === 'caller-dies-after') {
          timeline.say(() => `${caller.name} dies after its ${request}`, life)
          timeline.kill(caller)
        }
        if (sprung === 'answer-lost' || random.chance(server.odds.answerLost)) {
          later(() => fail('connection lost before the answer arrived'))
          return
        }
        later(() => {
          done()
          if ('fault' in answer) reject(answer.fault)
          else resolve(answer.value)
        })
      }
      if (server.down) {
        later(() => fail('connection refused'))
      } else if (random.chance(server.odds.requestLost)) {
        later(() => fail('connection lost before the request arrived'))
      } else {
        server.waiting.add(connectionBroke)
        // The caller has long gone on when it is done.
        if (sprung === 'late') connectionBroke()
        const isSlow = random.chance(server.odds.slow)
        const lateMs = sprung === 'late' ? random.pick([...LATE_MS, slowMs]) : isSlow ? slowMs : 0
        if (trap?.until !== undefined) server.hold(trap.until, arrive)
        else timeline.schedule(life, travelMs() + (lateMs > 0 ? random.integer(0, lateMs) : 0), arrive)
      }
    })
}

function attempt<T>(work: () => T): { readonly value: T } | { readonly fault: unknown } {
  try {
    return { value: work() }
  } catch (fault) {
    return { fault }
  }
}

function newLife(name: string): Actor {
  return { name, clockSkewMs: 0, state: 'running' }
}
