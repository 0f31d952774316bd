/**
 * The bare pipeline's writer: a kafkajs consumer that inserts each batch into one table, nothing else. No decision, no
 * fence, no ledger, no snapshot, no events. It measures accepted-to-committed as the real worker does.
 */
import { createServer } from 'node:http'
import { createMetrics } from '@ironsys/telemetry'
import { Kafka, type KafkaMessage, logLevel } from 'kafkajs'
import { Pool } from 'pg'
import { z } from 'zod'
import { readBareConfig } from '../src/config.ts'

const MAX_ROWS = 2000

const insertText = `INSERT INTO bare_reservations (id, slot_id, user_id, quantity, created_at)
  SELECT id, slot_id, user_id, quantity, to_timestamp(at / 1000.0)
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::float8[]) AS t (id, slot_id, user_id, quantity, at)`

const commandSchema = z.object({
  id: z.string(),
  slot_id: z.string(),
  user_id: z.string(),
  quantity: z.number(),
})

const config = readBareConfig(process.argv.slice(2))
const metrics = createMetrics('worker')
const pool = new Pool({ connectionString: config.database, max: 1 })
const kafka = new Kafka({
  brokers: config.brokers.split(','),
  clientId: 'bare-worker',
  logLevel: logLevel.ERROR,
})
const consumer = kafka.consumer({ groupId: 'bare', maxWaitTimeInMs: 100, sessionTimeout: 6000 })

let ready = false
consumer.on('consumer.group_join', () => {
  ready = true
})
await consumer.connect()
await consumer.subscribe({ topic: config.topic, fromBeginning: true })
await consumer.run({
  eachBatch: async ({ batch }) => {
    for (let start = 0; start < batch.messages.length; start += MAX_ROWS) {
      await insert(batch.messages.slice(start, start + MAX_ROWS))
    }
  },
})
const server = createServer(async (request, response) => {
  if (request.url === '/metrics') response.end(await metrics.metricsText())
  else response.writeHead(ready ? 200 : 503).end()
}).listen(config.port, '127.0.0.1')
process.once('SIGTERM', async () => {
  server.close()
  await consumer.disconnect()
  await pool.end()
})

async function insert(messages: readonly KafkaMessage[]): Promise<void> {
  const commands = messages.map(({ value }) => commandSchema.parse(JSON.parse(String(value))))
  await pool.query({
    name: 'bare-insert',
    text: insertText,
    values: [
      commands.map(({ id }) => id),
      commands.map(({ slot_id }) => slot_id),
      commands.map(({ user_id }) => user_id),
      commands.map(({ quantity }) => quantity),
      messages.map(({ timestamp }) => Number(timestamp)),
    ],
  })
  const now = Date.now()
  for (const { timestamp } of messages)
    metrics.acceptedToCommittedSeconds.observe((now - Number(timestamp)) / 1000)
}
