import type { OutboxSegment, OutboxStore } from '@ironsys/engine'
import { z } from 'zod'
import type { Pool } from './pool.ts'
import { queryAll, transact } from './transaction.ts'

const segmentRow = z.object({
  first_seq: z.coerce.number(),
  last_seq: z.coerce.number(),
  messages: z.string(),
})
const messages = z.array(
  z.object({ topic: z.string(), partition: z.int(), key: z.string(), value: z.string() }),
)

/** The outbox table. Removing is not synced to disk: what comes back after a crash is only sent again (I8). */
export function createOutboxStore(pool: Pool): OutboxStore {
  return {
    pendingSegments: async ({ topic, partition }, afterSeq, limit) => {
      const text = `SELECT first_seq, last_seq, messages FROM outbox
                     WHERE topic = $1 AND partition = $2 AND last_seq > $3 ORDER BY last_seq LIMIT $4`
      const statement = { name: 'outbox-pending', text, values: [topic, partition, afterSeq, limit] }
      const [rows] = await queryAll(pool, [statement])
      return (rows ?? []).map((row): OutboxSegment => {
        const { first_seq, last_seq, messages: text } = segmentRow.parse(row)
        return { firstSeq: first_seq, lastSeq: last_seq, messages: messages.parse(JSON.parse(text)) }
      })
    },
    removePublished: async ({ topic, partition }, seq) => {
      const text = 'DELETE FROM outbox WHERE topic = $1 AND partition = $2 AND last_seq <= $3'
      await transact(pool, [
        { name: 'no-sync', text: 'SET LOCAL synchronous_commit = off', values: [] },
        { name: 'outbox-remove', text, values: [topic, partition, seq] },
      ])
    },
  }
}
