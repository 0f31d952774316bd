/**
 * The consuming side of the log: hands out the partitions that Kafka's group assigns to this process.
 *
 * Modes: new → running (joined, or on the way to it again) → closed, or → crashed, when a human is needed.
 *
 * Invariants:
 * 1. At most one open PartitionLog per partition; `revoked` comes before the next `assigned` of the same partition.
 * 2. Assignment is a hint: another member may hold the same partition for a while. The fence's row decides (I4).
 * 3. A partition keeps its PartitionLog over a rebalance. It gets a new one when the member was out of the group, or
 *    a connection was lost in between: the writer then compares the log with its progress, as at any takeover.
 * 4. Everything that is not hopeless is recovered from by leaving and joining again, for as long as it takes.
 */
import { LogUnavailableError } from '@ironsys/engine'
import { createLogAdmin } from './admin.ts'
import { endedWithin, type KafkaSettings, pause, reasonOf } from './client.ts'
import { isHopeless } from './consumer-faults.ts'
import {
  type ConsumerConnection,
  type ConsumerHandlers,
  type ConsumerOptions,
  defaultConsumerOptions,
} from './consumer-options.ts'
import { type ConsumerSession, createSession } from './consumer-session.ts'
import { BufferedPartitionLog, type PartitionFetcher } from './partition-log.ts'

const LAST_COMMIT_TIMEOUT_MS = 2000

export interface ConsumerSettings extends KafkaSettings {
  readonly groupId: string
  readonly topic: string
}

export interface CommandConsumer {
  /**
   * Joins the group. Throws LogUnavailableError, at once for a missing topic or a dead cluster, else after
   * `startTimeoutMs`; may then be called again.
   */
  start(): Promise<void>
  /** Leaves the group and joins again: every partition gets a new log. For a writer that was fenced. */
  rejoin(): Promise<void>
  /** Commits the group's offsets and leaves the group. Close the writers first. */
  close(): Promise<void>
}

export function createCommandConsumer(
  settings: ConsumerSettings,
  handlers: ConsumerHandlers,
  options: Partial<ConsumerOptions> = {},
): CommandConsumer {
  const all = { ...defaultConsumerOptions, ...options }
  const { groupId, topic } = settings
  const connection: ConsumerConnection = {
    admin: createLogAdmin(settings),
    openSession: (events) => createSession(settings, { ...all, groupId, topic }, events),
  }
  return createConsumerOn(connection, settings, handlers, all)
}

export function createConsumerOn(
  connection: ConsumerConnection,
  settings: Pick<ConsumerSettings, 'topic' | 'logger'>,
  handlers: ConsumerHandlers,
  options: ConsumerOptions = defaultConsumerOptions,
): CommandConsumer {
  return new GroupConsumer(connection, settings, handlers, options)
}

class GroupConsumer implements CommandConsumer {
  readonly #connection: ConsumerConnection
  readonly #settings: Pick<ConsumerSettings, 'topic' | 'logger'>
  readonly #handlers: ConsumerHandlers
  readonly #options: ConsumerOptions
  readonly #logs = new Map<number, BufferedPartitionLog>()
  /** Offsets to be committed for the group. */
  readonly #acknowledged = new Map<number, number>()
  readonly #stopping = new AbortController()
  #mode: 'new' | 'running' | 'crashed' | 'closed' = 'new'
  #session: ConsumerSession | null = null
  #memberId = ''
  #reopening: Promise<void> | null = null
  #renewalPlanned = false
  #commitTimer: NodeJS.Timeout | undefined

  constructor(
    connection: ConsumerConnection,
    settings: Pick<ConsumerSettings, 'topic' | 'logger'>,
    handlers: ConsumerHandlers,
    options: ConsumerOptions,
  ) {
    this.#connection = connection
    this.#settings = settings
    this.#handlers = handlers
    this.#options = options
  }

  async start(): Promise<void> {
    if (this.#mode !== 'new') throw new Error(`the consumer is ${this.#mode}`)
    const { topic } = this.#settings
    if ((await this.#connection.admin.describe(topic)) === null)
      throw new LogUnavailableError(`topic ${topic} is missing`)
    this.#mode = 'running'
    try {
      await this.#join(0, performance.now() + this.#options.startTimeoutMs)
    } catch (error) {
      if (this.#mode === 'running') this.#mode = 'new'
      throw new LogUnavailableError(`could not read topic ${topic}: ${reasonOf(error)}`, { cause: error })
    }
    // It may have been closed meanwhile.
    if (this.#mode === 'running') {
      this.#commitTimer = setInterval(() => void this.#commit(), this.#options.commitIntervalMs)
    }
  }

  rejoin(): Promise<void> {
    return this.#reopen('asked to rejoin', 0)
  }

  async close(): Promise<void> {
    if (this.#mode !== 'closed') {
      this.#mode = 'closed'
      clearInterval(this.#commitTimer)
      this.#stopping.abort()
      await endedWithin(this.#commit(), LAST_COMMIT_TIMEOUT_MS)
      await this.#session?.close()
      await this.#reopening
      this.#revokeAll()
    }
    await this.#connection.admin.close()
  }

  // ---------------------------------------------------------------------------------- sessions

  async #open(): Promise<void> {
    const session = this.#connection.openSession({
      joined: (memberId, partitions) => this.#joined(memberId, partitions),
      records: (partition, records, logEnd) => this.#logs.get(partition)?.deliver(records, logEnd),
      connectionLost: () => this.#planRenewal(),
      crashed: (error) => this.#crashed(error),
    })
    this.#session = session
    try {
      await session.start()
    } catch (error) {
      await session.close()
      this.#revokeAll()
      throw error
    }
  }

  #crashed(error: unknown): void {
    if (isHopeless(error)) void this.#giveUp(error)
    else void this.#reopen(reasonOf(error), this.#options.restartDelayMs)
  }

  async #giveUp(error: unknown): Promise<void> {
    if (this.#mode !== 'running') return
    this.#mode = 'crashed'
    clearInterval(this.#commitTimer)
    this.#revokeAll()
    this.#handlers.crashed(error instanceof Error ? error : new Error(String(error)))
    await this.#session?.close()
  }

  /** Ends the session and opens new ones until one joins. One at a time: a second call waits for the first. */
  #reopen(reason: string, delayMs: number): Promise<void> {
    if (this.#mode !== 'running') return Promise.resolve()
    if (this.#reopening === null) {
      this.#settings.logger.warn(
        { topic: this.#settings.topic, reason },
        'leaving the group to join it again',
      )
      this.#reopening = this.#rejoin(delayMs).finally(() => {
        this.#reopening = null
      })
    }
    return this.#reopening
  }

  async #rejoin(firstDelayMs: number): Promise<void> {
    this.#revokeAll()
    await this.#session?.close()
    try {
      await this.#join(firstDelayMs, Number.POSITIVE_INFINITY)
    } catch (error) {
      await this.#giveUp(error)
    }
  }

  /** Tries until it has joined or is closed. Throws at the deadline, and at once what is hopeless. */
  async #join(firstDelayMs: number, deadlineMs: number): Promise<void> {
    const { restartDelayMs, restartDelayMaxMs } = this.#options
    const { logger, topic } = this.#settings
    let delayMs = firstDelayMs
    while (this.#mode === 'running') {
      await pause(delayMs, this.#stopping.signal)
      if (this.#mode !== 'running') return
      try {
        await this.#open()
        logger.info({ topic, partitions: this.#logs.size }, 'joined the group')
        return
      } catch (error) {
        delayMs = Math.min(restartDelayMaxMs, Math.max(restartDelayMs, delayMs * 2))
        if (isHopeless(error) || performance.now() + delayMs > deadlineMs) throw error
        logger.warn({ topic, reason: reasonOf(error), delayMs }, 'could not join the group')
      }
    }
  }

  // ---------------------------------------------------------------------------------- partitions

  #joined(memberId: string, partitions: readonly number[]): void {
    if (memberId !== this.#memberId) this.#revokeAll()
    this.#memberId = memberId
    for (const partition of [...this.#logs.keys()]) {
      if (!partitions.includes(partition)) this.#revoke(partition)
    }
    for (const partition of partitions) {
      const kept = this.#logs.get(partition)
      if (kept === undefined) this.#assign(partition)
      else kept.resync()
    }
  }

  /** One renewal for the several connections that one restart of a broker breaks. */
  #planRenewal(): void {
    if (this.#renewalPlanned) return
    this.#renewalPlanned = true
    setImmediate(() => {
      this.#renewalPlanned = false
      if (this.#mode !== 'running') return
      for (const partition of [...this.#logs.keys()]) {
        this.#revoke(partition)
        this.#assign(partition)
      }
    })
  }

  #assign(partition: number): void {
    const log = new BufferedPartitionLog(partition, this.#fetcherOf(partition), this.#options)
    this.#logs.set(partition, log)
    log.resync()
    this.#handlers.assigned(log, partition)
  }

  #revoke(partition: number): void {
    this.#logs.get(partition)?.close()
    this.#logs.delete(partition)
    this.#acknowledged.delete(partition)
    this.#handlers.revoked(partition)
  }

  #revokeAll(): void {
    for (const partition of [...this.#logs.keys()]) this.#revoke(partition)
  }

  #fetcherOf(partition: number): PartitionFetcher {
    return {
      seek: (offset) => this.#session?.seek(partition, offset),
      pause: () => this.#session?.pause(partition),
      resume: () => this.#session?.resume(partition),
      acknowledge: (nextOffset) => this.#acknowledged.set(partition, nextOffset),
      bounds: async () => {
        const bounds = (await this.#connection.admin.offsets(this.#settings.topic)).get(partition)
        if (bounds === undefined) throw new LogUnavailableError(`partition ${partition} has no offsets`)
        return bounds
      },
    }
  }

  /** Best effort: the database knows how far each partition is. */
  async #commit(): Promise<void> {
    if (this.#acknowledged.size === 0 || this.#session === null) return
    const offsets = new Map(this.#acknowledged)
    this.#acknowledged.clear()
    try {
      await this.#session.commit(offsets)
    } catch (error) {
      this.#settings.logger.debug({ reason: reasonOf(error) }, 'group offsets not committed')
    }
  }
}
