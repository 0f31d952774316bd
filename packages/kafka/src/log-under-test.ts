/** What the tests of this package share: topics of their own, a way through a proxy, and an independent reader. */
import { randomUUID } from 'node:crypto'
import net from 'node:net'
import { createTcpProxy, type TcpProxy, testServices } from '@ironsys/testing'
import { createLogAdmin } from './admin.ts'
import { createClient, type KafkaSettings, silentLogger } from './client.ts'
import type { SocketFactory } from './sockets.ts'

/** The settings of a client that talks to the broker directly. */
export function directSettings(): KafkaSettings {
  return { brokers: testServices().kafkaBrokers, clientId: 'test', logger: silentLogger }
}

/** The settings of a client whose every connection goes to the proxy that is current at that moment. */
export function settingsThrough(proxy: () => TcpProxy): KafkaSettings {
  const socketFactory: SocketFactory = ({ onConnect }) => {
    const { host, port } = proxy()
    return net.connect({ host, port }, onConnect)
  }
  return { ...directSettings(), socketFactory }
}

export async function proxyToBroker(): Promise<TcpProxy> {
  const [host = '', port = ''] = (testServices().kafkaBrokers[0] ?? '').split(':')
  return createTcpProxy({ targetHost: host, targetPort: Number(port) })
}

/** A new topic with log time. */
export async function makeTopic(
  partitions: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<string> {
  const topic = `test-${randomUUID()}`
  const admin = createLogAdmin(directSettings())
  await admin.ensureTopics([
    { topic, partitions, settings: { 'message.timestamp.type': 'LogAppendTime', ...settings } },
  ])
  await admin.close()
  return topic
}

export interface StoredMessage {
  readonly partition: number
  readonly offset: number
  readonly timeMs: number
  readonly key: string
  readonly value: string
}

/** Everything that is in the topic now, by plain kafkajs: nothing of this package but its way to make a client. */
export async function readTopic(topic: string): Promise<StoredMessage[]> {
  const settings = directSettings()
  const bounds = await boundsOf(topic)
  const missing = new Set(
    [...bounds].filter(([, { low, high }]) => high > low).map(([partition]) => partition),
  )
  const stored: StoredMessage[] = []
  if (missing.size === 0) return stored
  const kafka = createClient(settings, { requestTimeoutMs: 10_000, retries: 3, socketFactory: connect })
  const consumer = kafka.consumer({ groupId: `reader-${randomUUID()}`, maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    const eachBatch: Parameters<typeof consumer.run>[0] = {
      autoCommit: false,
      eachBatch: async ({ batch: { partition, messages } }) => {
        for (const { offset, timestamp, key, value } of messages) {
          stored.push({
            partition,
            offset: Number(offset),
            timeMs: Number(timestamp),
            key: key?.toString() ?? '',
            value: value?.toString() ?? '',
          })
        }
        const high = bounds.get(partition)?.high ?? 0
        if (Number(messages.at(-1)?.offset ?? -1) + 1 >= high) missing.delete(partition)
        if (missing.size === 0) resolve()
      },
    }
    consumer.run(eachBatch).catch(reject)
  })
  await consumer.disconnect()
  return stored
}

export async function boundsOf(topic: string) {
  const admin = createLogAdmin(directSettings())
  try {
    return await admin.offsets(topic)
  } finally {
    await admin.close()
  }
}

const connect: SocketFactory = ({ host, port, onConnect }) => net.connect({ host, port }, onConnect)
