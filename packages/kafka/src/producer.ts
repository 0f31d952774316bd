/** The producing side of the log: commands from the edge, events and outgoing commands from the outbox. */
import {
  type CommandAppender,
  type EventSink,
  LogUnavailableError,
  type OutgoingMessage,
} from '@ironsys/engine'
import { AppendQueue } from './append-queue.ts'
import { endedWithin, type KafkaSettings } from './client.ts'
import { sendInOrder } from './ordered-send.ts'
import { alwaysClosed, type ProduceBreaker } from './produce-breaker.ts'
import { unavailable } from './produce-faults.ts'
import { createProduceLink, type ProduceLink } from './produce-link.ts'
import {
  checkProducerOptions,
  defaultProducerOptions,
  type ProducerObserver,
  type ProducerOptions,
} from './producer-options.ts'

export interface CommandProducer extends CommandAppender, EventSink {
  /** Opens the connection ahead of the first use. Throws LogUnavailableError; the producer stays usable. */
  connect(): Promise<void>
  /** Appends not answered yet: for a gauge, and for shedding load before the queue is full. */
  readonly outstanding: number
  /** Takes nothing more, answers what it has (within the deadline), disconnects. */
  close(): Promise<void>
}

const silent: ProducerObserver = { request: () => {}, rejected: () => {} }

/**
 * Makes a producer that connects at its first use.
 * `append` also throws a RangeError for a message above `maxBatchBytes`, which the edge must not let through.
 * `breaker` is asked before each request of `append`; {@link judgeLog} tells it what counts.
 */
export function createCommandProducer(
  settings: KafkaSettings,
  options: Partial<ProducerOptions> = {},
  observer: ProducerObserver = silent,
  breaker: ProduceBreaker = alwaysClosed,
): CommandProducer {
  const all: ProducerOptions = { ...defaultProducerOptions, ...options }
  const link = createProduceLink(settings, all.requestTimeoutMs)
  return createProducerOn(link, all, reachability(settings, observer), breaker)
}

/** The producer on a link that is already there: on kafkajs, or on the simulator's log. */
export function createProducerOn(
  link: ProduceLink,
  all: ProducerOptions = defaultProducerOptions,
  observer: ProducerObserver = silent,
  breaker: ProduceBreaker = alwaysClosed,
): CommandProducer {
  checkProducerOptions(all)
  const queue = new AppendQueue(link, all, observer, breaker)
  const closing = new AbortController()
  return {
    append: (id, key, value) => queue.append(id, key, value),
    send: (messages: readonly OutgoingMessage[]) => sendInOrder(link, messages, all, closing.signal),
    get outstanding() {
      return queue.outstanding
    },
    connect: async () => {
      try {
        await link.connect()
      } catch (error) {
        throw unavailable(error)
      }
    },
    close: async () => {
      closing.abort(new LogUnavailableError('the producer is closing'))
      await endedWithin(queue.drain(), all.deadlineMs * 2)
      await link.close()
    },
  }
}

/** After so long without a failure an outage counts as over. */
const CALM_MS = 5000

/** Logs when the log stops answering and when it has settled: two lines for an outage, not one per request. */
function reachability({ logger }: KafkaSettings, observer: ProducerObserver): ProducerObserver {
  let troubled = false
  let lastFailureMs = 0
  return {
    rejected: (reason) => observer.rejected(reason),
    request: (event) => {
      if (event.failure !== null) {
        lastFailureMs = performance.now()
        if (!troubled) logger.warn({ reason: event.failure }, 'the log does not answer')
        troubled = true
      } else if (troubled && performance.now() - lastFailureMs > CALM_MS) {
        troubled = false
        logger.info({}, 'the log answers again')
      }
      observer.request(event)
    },
  }
}
