/** The clients: they want things, ask an API, do not always learn the answer, and ask again as the docs tell them to. */
import { replyAddress } from '@ironsys/contracts'
import { LogUnavailableError } from '@ironsys/engine'
import type { ApiProcess } from './api.ts'
import { type Intent, writeCommand } from './commands.ts'
import { domainOf, type System } from './system.ts'

/** A client that hears nothing for so long asks again, milliseconds. */
const PATIENCE_MS = 7000
/** For so long it asks again, and at least so often: a refusal that comes at once tells little. */
const GIVES_UP_AFTER_MS = 60_000
const ATTEMPTS = 12
/** A client that has its answer sends the same request once more: a double click, a retry that was late. */
const SENT_AGAIN = 0.15
const SENT_AGAIN_WITHIN_MS = [5, 60, 6000] as const
/** Another one sends it twice at once. */
const SENT_TWICE = 0.1

export interface Accepted {
  readonly commandId: string
  readonly topic: string
  readonly partition: number
  /** The record that was acknowledged. */
  readonly value: string
  readonly replyTo: string
}

export class Clients {
  readonly #system: System
  readonly #apis: () => readonly ApiProcess[]
  /** Every request that was answered 202. */
  readonly accepted: Accepted[] = []
  /** Intents that still wait for an answer. */
  #waiting = 0
  #requests = 0

  constructor(system: System, apis: () => readonly ApiProcess[]) {
    this.#system = system
    this.#apis = apis
  }

  get waiting(): number {
    return this.#waiting
  }

  /** Asks after `delayMs`, and goes on until it is accepted or the client has had enough. */
  ask(intent: Intent, delayMs: number): void {
    const { random } = this.#system.timeline
    this.#askOnce(intent, delayMs)
    if (random.chance(SENT_TWICE)) this.#askOnce(intent, delayMs + random.integer(0, 10))
  }

  #askOnce(intent: Intent, delayMs: number): void {
    const { timeline } = this.#system
    this.#waiting++
    timeline.schedule(timeline.world, delayMs, () => this.#attempt(intent, 1, timeline.nowMs))
  }

  #attempt(intent: Intent, attempt: number, sinceMs: number): void {
    const { timeline } = this.#system
    const { random, world } = timeline
    const api = random.pickAny(this.#apis())
    if (api === undefined) {
      // Nobody listens: that is known at once, and is no attempt.
      timeline.schedule(world, random.integer(20, 300), () => this.#attempt(intent, attempt, sinceMs))
      return
    }
    let answered = false
    const answer = (accepted: Accepted | null): void => {
      if (answered) return
      answered = true
      patience.cancelled = true
      if (accepted !== null) this.#accept(intent, accepted)
      else if (attempt < ATTEMPTS || timeline.nowMs - sinceMs < GIVES_UP_AFTER_MS)
        timeline.schedule(world, random.integer(20, 1500), () => this.#attempt(intent, attempt + 1, sinceMs))
      else this.#giveUp(intent)
    }
    const patience = timeline.schedule(world, PATIENCE_MS, () => answer(null))
    timeline.schedule(api.actor, random.integer(1, 5), () => {
      this.#handle(api, intent, (accepted) => {
        timeline.schedule(world, random.integer(1, 5), () => answer(accepted))
      })
    })
  }

  /** The cursor of the 202 is made of it. */
  #checkPlace({ topic, partition, value }: Accepted, offset: number): void {
    const { findings, log } = this.#system
    const { checks } = domainOf(this.#system, topic)
    if (log.neverWritten.has(value) || checks.history(partition).cutAt !== null) return
    const record = log.log(topic, partition).records.find((each) => each.offset === offset)
    findings.expect(
      record?.value?.toString() === value,
      'I2',
      () => `acknowledged at ${partition}@${offset}, where ${record?.value} is: ${value}`,
    )
  }

  /** What the edge does with a request. */
  #handle(api: ApiProcess, intent: Intent, reply: (accepted: Accepted | null) => void): void {
    const { timeline, checker, bookingChecker, departures, partitions } = this.#system
    const replyTo = replyAddress(api.actor.name, this.#requests++)
    const written = writeCommand(intent, replyTo, partitions)
    const { id, topic, partition, logKey, value } = written
    if (written.meaning !== null) checker.meanings.set(value, written.meaning)
    if (written.booking !== null) bookingChecker.meanings.set(value, written.booking)
    const accepted: Accepted = { commandId: id, topic, partition, value, replyTo }
    departures.waiting.set(replyTo, id)
    api.producer.append({ topic, partition }, logKey, value).then(
      ({ offset }) => {
        this.#checkPlace(accepted, offset)
        reply(accepted)
      },
      (error: unknown) => {
        timeline.say(() => `${id} is not known to be accepted: ${error}`, api.actor)
        if (error instanceof LogUnavailableError) domainOf(this.#system, topic).checks.saidNotWritten(value)
        reply(null)
      },
    )
  }

  /** Nothing lasts so long here: somebody stopped answering for good. */
  #giveUp(intent: Intent): void {
    this.#waiting--
    this.#system.findings.add(
      'liveness',
      `asked for ${GIVES_UP_AFTER_MS / 1000} s and never accepted: ${JSON.stringify(intent)}`,
    )
  }

  #accept(intent: Intent, accepted: Accepted): void {
    const { random } = this.#system.timeline
    this.accepted.push(accepted)
    this.#waiting--
    if (random.chance(SENT_AGAIN)) this.#askOnce(intent, random.integer(0, random.pick(SENT_AGAIN_WITHIN_MS)))
  }
}
