/**
 * Virtual time and the one scheduler: every answer, timer and fault of a simulation is an event here, and the seed
 * chooses their order.
 *
 * Invariants:
 * 1. One event at a time: the next starts when every promise that the last one settled has been followed to its end.
 *    So all that runs between two events was caused by one event and belongs to that event's actor.
 * 2. Time never goes back; events of the same instant come in an order that the seed draws.
 * 3. An event of a dead actor never runs. Events of a frozen actor wait and come, in a drawn order, when it thaws.
 */
import TinyQueue from 'tinyqueue'
import type { Random } from './random.ts'

/** A process or a server: what can crash, freeze, and have a wrong clock. One life; a restart is a new actor. */
export interface Actor {
  readonly name: string
  /** What its clock is ahead of virtual time, milliseconds. */
  readonly clockSkewMs: number
  state: 'running' | 'frozen' | 'dead'
}

/** An event that has not happened yet; once cancelled it never does. */
export interface Ticket {
  cancelled: boolean
}

interface Event extends Ticket {
  atMs: number
  order: number
  readonly actor: Actor
  readonly run: () => void
}

export const START_MS = 1_800_000_000_000

/**
 * Every promise that can go on without another event has done so. A tick comes when no promise is left that can, and
 * costs half of a turn of the event loop; nothing that runs here uses ticks or real I/O itself.
 */
function allSettled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}

export class Timeline {
  readonly random: Random
  /** Hears what happens, when somebody wants to read it. */
  readonly #trace: ((line: string) => void) | null
  readonly #events = new TinyQueue<Event>([], (a, b) => a.atMs - b.atMs || a.order - b.order)
  readonly #held = new Map<Actor, Event[]>()
  /** Stands for everything outside of the simulated system. */
  readonly world: Actor = { name: 'world', clockSkewMs: 0, state: 'running' }
  #current: Actor = this.world
  #nowMs = START_MS
  #steps = 0

  constructor(random: Random, trace: ((line: string) => void) | null) {
    this.random = random
    this.#trace = trace
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** Who is running: what it starts belongs to it. */
  get current(): Actor {
    return this.#current
  }

  /** Events so far. */
  get steps(): number {
    return this.#steps
  }

  schedule(actor: Actor, delayMs: number, run: () => void): Ticket {
    const order = this.random.fraction()
    const event: Event = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      order,
      actor,
      run,
      cancelled: false,
    }
    this.#events.push(event)
    return event
  }

  /** Runs the next event and all that follows from it at once. False when there is none. */
  async step(): Promise<boolean> {
    const event = this.#next()
    if (event === undefined) return false
    this.#nowMs = Math.max(this.#nowMs, event.atMs)
    this.#current = event.actor
    this.#steps++
    event.run()
    await allSettled()
    this.#current = this.world
    return true
  }

  thaw(actor: Actor): void {
    if (actor.state !== 'frozen') return
    actor.state = 'running'
    for (const event of this.#held.get(actor) ?? []) {
      this.#events.push(Object.assign(event, { atMs: this.#nowMs, order: this.random.fraction() }))
    }
    this.#held.delete(actor)
  }

  kill(actor: Actor): void {
    actor.state = 'dead'
    this.#held.delete(actor)
  }

  /** One line for whoever reads the trace; `text` is only made when somebody does. */
  say(text: () => string, actor: Actor = this.#current): void {
    this.#trace?.(
      `${((this.#nowMs - START_MS) / 1000).toFixed(3).padStart(8)}  ${actor.name.padEnd(12)} ${text()}`,
    )
  }

  #next(): Event | undefined {
    for (;;) {
      const event = this.#events.pop()
      if (event === undefined) return undefined
      if (event.cancelled || event.actor.state === 'dead') continue
      if (event.actor.state === 'running') return event
      const held = this.#held.get(event.actor)
      if (held === undefined) this.#held.set(event.actor, [event])
      else held.push(event)
    }
  }
}
