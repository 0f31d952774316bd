/**
 * The bare pipeline's edge: Fastify with a compiled JSON schema, kafkajs micro-batches with acks=all, 202. No features:
 * no idempotency, no cursor, no problem documents, no metrics, no retries. What it reaches is the ceiling for the
 * same libraries on the same machine. A cached GET it answers with the bytes of the real one, its headers included; under
 * /bodies with the body alone.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { partitionOfKey } from '@ironsys/contracts'
import Fastify from 'fastify'
import { Kafka, logLevel, type Producer } from 'kafkajs'
import { z } from 'zod'
import { type BareConfig, readBareConfig } from '../src/config.ts'

interface Queued {
  readonly message: { readonly key: string; readonly value: string; readonly partition: number }
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Body {
  readonly slot_id: string
  readonly user_id: string
  readonly quantity?: number
}

const MAX_BATCH_MESSAGES = 1000
const MAX_IN_FLIGHT = 3

const bodySchema = {
  type: 'object',
  required: ['slot_id', 'user_id'],
  additionalProperties: false,
  properties: {
    slot_id: {
      type: 'string',
      pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
    },
    user_id: { type: 'string', minLength: 1, maxLength: 128 },
    quantity: { type: 'integer', minimum: 1 },
  },
} as const

const answerSchema = z.object({ headers: z.record(z.string(), z.string()), body: z.string() })

const config = readBareConfig(process.argv.slice(2))
const kafka = new Kafka({
  brokers: config.brokers.split(','),
  clientId: 'bare-api',
  logLevel: logLevel.ERROR,
})
const producer = kafka.producer({ allowAutoTopicCreation: false, retry: { retries: 0 } })
await producer.connect()
const append = createAppender(producer, config)

const app = Fastify({ logger: false })
app.get('/health/ready', async () => ({ status: 'up' }))
if (config.answer !== undefined) {
  const { headers, body } = answerSchema.parse(JSON.parse(readFileSync(config.answer, 'utf8')))
  // Text and not a Buffer: Node writes it together with the head, which is faster.
  app.get('/slots/:id', (_request, reply) => reply.headers(headers).send(body))
  app.get('/bodies/:id', (_request, reply) => reply.type('application/json; charset=utf-8').send(body))
}
app.post<{ Body: Body }>('/reservations', { schema: { body: bodySchema } }, async (request, reply) => {
  const { slot_id, user_id, quantity = 1 } = request.body
  const id = randomUUID()
  await append(slot_id, JSON.stringify({ id, slot_id, user_id, quantity }))
  return reply.code(202).send({ id, slot_id, user_id, quantity, status: 'pending' })
})
await app.listen({ host: '127.0.0.1', port: config.port })
process.once('SIGTERM', () => void app.close().then(() => producer.disconnect()))

function createAppender(to: Producer, { topic, partitions }: BareConfig) {
  let queue: Queued[] = []
  let inFlight = 0
  const pump = (): void => {
    while (inFlight < MAX_IN_FLIGHT && queue.length > 0) {
      const batch = queue.slice(0, MAX_BATCH_MESSAGES)
      queue = queue.slice(MAX_BATCH_MESSAGES)
      inFlight++
      to.send({ topic, acks: -1, messages: batch.map(({ message }) => message) })
        .then(
          () => {
            for (const { resolve } of batch) resolve()
          },
          (error: unknown) => {
            for (const { reject } of batch) reject(error)
          },
        )
        .finally(() => {
          inFlight--
          pump()
        })
    }
  }
  return (key: string, value: string): Promise<void> =>
    new Promise((resolve, reject) => {
      if (queue.length === 0) setImmediate(pump)
      queue.push({ message: { key, value, partition: partitionOfKey(key, partitions) }, resolve, reject })
    })
}
