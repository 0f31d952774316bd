/**
 * One kafkajs producer, kept alive: connected at its first use, replaced when it stays broken. It makes one attempt
 * per call and never repeats anything by itself.
 */
import type { Message, Producer, RecordMetadata, TopicMessages } from 'kafkajs'
import {
  brokerErrorType,
  brokerOf,
  createClient,
  endedWithin,
  isRequestTimeout,
  type KafkaSettings,
} from './client.ts'
import { type SocketWatch, watchSockets } from './sockets.ts'

export interface ProduceLink {
  /** Opens the connection if it is not open. Throws when that fails. */
  connect(): Promise<void>
  /** One attempt with acks=all. What it throws says little of whether something was written. */
  send(topicMessages: TopicMessages[]): Promise<RecordMetadata[]>
  /** Produce requests written to any connection so far: unchanged means that nothing was sent. */
  produceRequests(): number
  /** Flushes nothing: what is in flight is cut after a moment. */
  close(): Promise<void>
}

interface Client {
  readonly producer: Producer
  readonly sockets: SocketWatch
  connecting: Promise<void> | null
}

/** After so many failures in a row, with no success and no answer from a broker between, the client is replaced. */
const FAILURES_UNTIL_REPLACED = 5
const DISCONNECT_TIMEOUT_MS = 1000

export function createProduceLink(settings: KafkaSettings, requestTimeoutMs: number): ProduceLink {
  let produceRequests = 0
  let failuresInRow = 0
  const countRequest = (): void => {
    produceRequests++
  }

  const open = (): Client => {
    const sockets = watchSockets(settings.socketFactory, { produceRequest: countRequest })
    const kafka = createClient(settings, { requestTimeoutMs, retries: 0, socketFactory: sockets.factory })
    const producer = kafka.producer({
      allowAutoTopicCreation: false,
      idempotent: false,
      retry: { retries: 0 },
      createPartitioner: () => partitionOf,
    })
    return { producer, sockets, connecting: null }
  }
  let client = open()
  let discarded: Promise<unknown> = Promise.resolve()

  const connected = async (using: Client): Promise<void> => {
    using.connecting ??= using.producer.connect()
    try {
      await using.connecting
    } catch (error) {
      using.connecting = null
      throw error
    }
  }
  const discard = async ({ producer, sockets }: Client): Promise<void> => {
    await endedWithin(producer.disconnect(), DISCONNECT_TIMEOUT_MS)
    sockets.close()
  }
  const failed = (using: Client, error: unknown): void => {
    if (using !== client) return
    // kafkajs goes on using a connection that no longer answers.
    if (isRequestTimeout(error)) using.sockets.cut(brokerOf(error))
    failuresInRow = brokerErrorType(error) === null ? failuresInRow + 1 : 0
    if (failuresInRow < FAILURES_UNTIL_REPLACED) return
    failuresInRow = 0
    client = open()
    discarded = Promise.all([discarded, discard(using)])
  }
  return {
    connect: () => connected(client),
    send: async (topicMessages) => {
      const using = client
      try {
        await connected(using)
        const answer = await using.producer.sendBatch({ acks: -1, timeout: requestTimeoutMs, topicMessages })
        failuresInRow = 0
        return answer
      } catch (error) {
        failed(using, error)
        throw error
      }
    },
    produceRequests: () => produceRequests,
    close: async () => {
      await Promise.all([discarded, discard(client)])
    },
  }
}

function partitionOf({ message }: { message: Message }): number {
  if (message.partition === undefined) throw new Error('a message without a partition')
  return message.partition
}
