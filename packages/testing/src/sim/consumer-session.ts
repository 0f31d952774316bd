/** One life of a group consumer, as kafkajs gives it to the adapter: join, fetch, seek, pause, and ends badly at times. */
import type { ConsumerSession, SessionEvents } from '@ironsys/kafka'
import type { Wire } from '../twins/index.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import type { LogCluster } from './log-cluster.ts'
import { createWire } from './network.ts'
import type { Actor } from './timeline.ts'

/** A fetch is followed by the next within so long, milliseconds. */
const POLL_MS = 40
const FETCHED_RECORDS = 12
/** A broker keeps a fetch until there is something to answer: most of those that would bring nothing are not sent. */
const FETCHED_ANYWAY = 0.1

interface Position {
  offset: number
  paused: boolean
  /** Grows with each seek: what was fetched before is dropped. */
  seeks: number
}

export function createSession(
  cluster: LogCluster,
  topic: string,
  group: ConsumerGroup,
  actor: Actor,
  events: SessionEvents,
): ConsumerSession {
  return new Session(cluster, topic, group, actor, events)
}

class Session implements ConsumerSession {
  readonly #cluster: LogCluster
  readonly #topic: string
  readonly #group: ConsumerGroup
  readonly #actor: Actor
  readonly #events: SessionEvents
  readonly #wire: Wire
  #positions: ReadonlyMap<number, Position> = new Map()
  #memberId = ''
  #connectionEpoch: number
  #over = false

  constructor(cluster: LogCluster, topic: string, group: ConsumerGroup, actor: Actor, events: SessionEvents) {
    this.#cluster = cluster
    this.#topic = topic
    this.#group = group
    this.#actor = actor
    this.#events = events
    this.#wire = createWire(cluster.timeline, actor, cluster.server)
    this.#connectionEpoch = cluster.connectionEpoch
  }

  async start(): Promise<void> {
    await this.#join()
    void this.#poll()
  }

  seek(partition: number, offset: number): void {
    const position = this.#positions.get(partition)
    if (position === undefined) return
    position.offset = offset
    position.seeks++
  }

  pause(partition: number): void {
    const position = this.#positions.get(partition)
    if (position !== undefined) position.paused = true
  }

  resume(partition: number): void {
    const position = this.#positions.get(partition)
    if (position !== undefined) position.paused = false
  }

  commit(offsets: ReadonlyMap<number, number>): Promise<void> {
    return this.#wire('commit-offsets', () => {
      for (const [partition, offset] of offsets) this.#group.commit(partition, offset)
    })
  }

  async close(): Promise<void> {
    this.#over = true
    await this.#wire('leave', () => this.#group.leave(this.#memberId)).catch((error: unknown) => {
      this.#cluster.timeline.say(() => `could not leave the group: ${error}`)
    })
  }

  async #join(): Promise<void> {
    const assigned = (partitions: readonly number[]) => this.#assigned(partitions)
    const beats = (id: string) => !this.#over && this.#memberId === id
    this.#memberId = await this.#wire('join', () => this.#group.join(this.#actor, assigned, beats))
  }

  #assigned(partitions: readonly number[]): void {
    if (this.#over) return
    this.#cluster.timeline.say(() => `joined: has ${partitions.join()}`)
    this.#positions = new Map(
      partitions.map((partition) => [partition, this.#positions.get(partition) ?? this.#startOf(partition)]),
    )
    this.#events.joined(this.#memberId, partitions)
  }

  #startOf(partition: number): Position {
    const { low } = this.#cluster.log(this.#topic, partition)
    return { offset: this.#group.offsets.get(partition) ?? low, paused: false, seeks: 0 }
  }

  async #poll(): Promise<void> {
    if (this.#over) return
    const { timeline, connectionEpoch, odd } = this.#cluster
    if (this.#connectionEpoch !== connectionEpoch) {
      this.#connectionEpoch = connectionEpoch
      timeline.say(() => 'connection lost')
      this.#events.connectionLost()
    }
    try {
      if (!this.#group.has(this.#memberId)) await this.#join()
      else if (this.#hasNews() || timeline.random.chance(FETCHED_ANYWAY)) await this.#fetch()
    } catch (error) {
      if (timeline.random.chance(odd.crash)) this.#crash(error)
    }
    timeline.schedule(this.#actor, timeline.random.integer(1, POLL_MS), () => void this.#poll())
  }

  #hasNews(): boolean {
    for (const [partition, { offset, paused }] of this.#positions) {
      if (!paused && offset < this.#cluster.log(this.#topic, partition).high) return true
    }
    return false
  }

  async #fetch(): Promise<void> {
    const { timeline } = this.#cluster
    const flowing = [...this.#positions].filter(([, position]) => !position.paused)
    const wanted = flowing.map(([partition, { offset, seeks }]) => ({ partition, offset, seeks }))
    const answers = await this.#wire('fetch', () => {
      if (this.#connectionEpoch !== this.#cluster.connectionEpoch) throw new Error('connection reset')
      return wanted.map(({ partition, offset }) => {
        const from = Math.max(0, offset + this.#oddStep())
        return this.#cluster
          .log(this.#topic, partition)
          .fetch(from, timeline.random.integer(1, FETCHED_RECORDS))
      })
    })
    wanted.forEach(({ partition, seeks }, index) => {
      const position = this.#positions.get(partition)
      const answer = answers[index]
      const last = answer?.records.at(-1)
      if (this.#over || position?.seeks !== seeks || answer === undefined || last === undefined) return
      position.offset = last.offset + 1
      this.#events.records(partition, answer.records, answer.high)
    })
  }

  /** Redelivery, or a hole. */
  #oddStep(): number {
    const { odd, timeline } = this.#cluster
    const { random } = timeline
    if (random.chance(odd.redelivered)) return -random.integer(1, 5)
    return random.chance(odd.hole) ? random.integer(1, 2) : 0
  }

  #crash(error: unknown): void {
    this.#over = true
    this.#cluster.timeline.say(() => `consumer crashed: ${error}`)
    this.#events.crashed(error)
  }
}
