/**
 * Kafka as the adapters' connections see it: partitions, produce, fetch, and a consumer group that moves partitions
 * between members. What is above the connections (queues, retries, buffers, rejoining) is the real code.
 */
import { topics } from '@ironsys/contracts'
import type { LogRecord } from '@ironsys/engine'
import type { ConsumerConnection, ProduceLink } from '@ironsys/kafka'
import { createMemoryLog, type MemoryLog } from '../twins/index.ts'
import { ConsumerGroup } from './consumer-group.ts'
import { createSession } from './consumer-session.ts'
import { createWire, Server } from './network.ts'
import type { Actor, Timeline } from './timeline.ts'

type TopicMessages = Parameters<ProduceLink['send']>[0]
type ProduceAnswer = Awaited<ReturnType<ProduceLink['send']>>

/** What a fetch does that it should not, as probabilities. */
export interface OddFetches {
  /** It starts again further below. */
  readonly redelivered: number
  /** It leaves records out. */
  readonly hole: number
  /** A fetch that failed ends the session instead of being tried again. */
  readonly crash: number
}

/** The topics that are decided on. */
export const commandTopics = [topics.reservationCommands, topics.bookingCommands] as const

export const oddFetches: OddFetches = { redelivered: 0.02, hole: 0.01, crash: 0.1 }

/** Hears of every record at the moment it is written. */
export type AppendListener = (topic: string, partition: number, record: LogRecord) => void

export class LogCluster {
  readonly timeline: Timeline
  readonly server = new Server({ name: 'kafka', latencyMs: [1, 8], slowMs: 4000, timeoutMs: 2000 })
  readonly clusterId = 'simulated'
  readonly partitions: number
  /** One consumer group per topic of commands. */
  readonly groups: ReadonlyMap<string, ConsumerGroup>
  odd: OddFetches = oddFetches
  /** Grows whenever every connection breaks; a session compares it with what it was at its last poll. */
  connectionEpoch = 0
  /** What the broker's clock is ahead of virtual time, milliseconds; it may go back. */
  clockSkewMs = 0
  /** How often the broker refuses because too few replicas are there. */
  shortOfReplicas = 0
  /** How often a batch of commands is acknowledged and not written. */
  lieProbability = 0
  /** So many of the next wakes are acknowledged and not written: whoever sent them finds that nothing has happened. */
  wakesToLose = 0
  /** Values that were acknowledged and not written, but for wakes. */
  readonly neverWritten = new Set<string>()
  readonly #logs = new Map<string, readonly MemoryLog[]>()
  readonly #listener: AppendListener

  constructor(timeline: Timeline, partitions: number, listener: AppendListener) {
    this.timeline = timeline
    this.partitions = partitions
    this.#listener = listener
    this.groups = new Map(commandTopics.map((topic) => [topic, new ConsumerGroup(timeline, partitions)]))
    for (const topic of Object.values(topics)) {
      this.#logs.set(
        topic,
        Array.from({ length: partitions }, () => createMemoryLog()),
      )
    }
  }

  group(topic: string): ConsumerGroup {
    const group = this.groups.get(topic)
    if (group === undefined) throw new Error(`nobody consumes ${topic}`)
    return group
  }

  log(topic: string, partition: number): MemoryLog {
    const log = this.#logs.get(topic)?.[partition]
    if (log === undefined) throw new Error(`there is no partition ${partition} of ${topic}`)
    return log
  }

  append(
    topic: string,
    partition: number,
    key: string | Buffer | null,
    value: string | Buffer | null,
  ): number {
    const log = this.log(topic, partition)
    const offset = log.append(value, Math.floor(this.timeline.nowMs + this.clockSkewMs), key)
    const record = log.records.at(-1)
    if (record !== undefined) this.#listener(topic, partition, record)
    return offset
  }

  /** Every connection breaks: a restart, a new leader. */
  breakConnections(): void {
    this.connectionEpoch++
  }

  link(actor: Actor): ProduceLink {
    const wire = createWire(this.timeline, actor, this.server)
    let produceRequests = 0
    let connectedIn: number | null = null
    return {
      connect: async () => {
        if (connectedIn === this.connectionEpoch) return
        const epoch = this.connectionEpoch
        await wire('connect', () => undefined)
        connectedIn = epoch
      },
      send: (topicMessages) => {
        if (!this.server.down) produceRequests++
        return wire('produce', () => this.#produce(topicMessages))
      },
      produceRequests: () => produceRequests,
      close: async () => {},
    }
  }

  connection(actor: Actor, topic: string, group: ConsumerGroup = this.group(topic)): ConsumerConnection {
    const wire = createWire(this.timeline, actor, this.server)
    const bounds = () =>
      Array.from({ length: this.partitions }, (_, partition) => {
        const { low, high } = this.log(topic, partition)
        return [partition, { low, high }] as const
      })
    return {
      admin: {
        describe: () => wire('describe', () => ({ clusterId: this.clusterId, partitions: this.partitions })),
        offsets: () => wire('offsets', () => new Map(bounds())),
        close: async () => {},
      },
      openSession: (events) => createSession(this, topic, group, actor, events),
    }
  }

  #produce(topicMessages: TopicMessages): ProduceAnswer {
    if (this.timeline.random.chance(this.shortOfReplicas)) throw new NotEnoughReplicasError()
    return topicMessages.flatMap(({ topic, messages }) => {
      const answers = new Map<number, number>()
      const lies =
        commandTopics.some((each) => each === topic) && this.timeline.random.chance(this.lieProbability)
      for (const { partition = 0, key, value } of messages) {
        const text = value === null ? null : value.toString()
        const isWake = text?.includes('"type":"wake_') === true
        const loses = isWake && this.wakesToLose > 0
        if (loses) this.wakesToLose--
        if (lies || loses) {
          if (!isWake) this.neverWritten.add(text ?? '')
          answers.set(partition, answers.get(partition) ?? this.log(topic, partition).high)
          this.timeline.say(() => `acknowledged and not written: ${text}`)
        } else {
          const offset = this.append(topic, partition, key?.toString() ?? null, text)
          answers.set(partition, answers.get(partition) ?? offset)
        }
      }
      const logAppendTime = String(Math.floor(this.timeline.nowMs + this.clockSkewMs))
      return [...answers].map(([partition, offset]) => {
        return { topicName: topic, partition, errorCode: 0, baseOffset: String(offset), logAppendTime }
      })
    })
  }
}

/** As kafkajs has it: the broker's own name of the error is its `type`. */
class NotEnoughReplicasError extends Error {
  override readonly name = 'KafkaJSProtocolError'
  readonly type = 'NOT_ENOUGH_REPLICAS'
}
