import type { OutboxSegment, OutboxStore, PartitionId } from '@ironsys/engine'
import { z } from 'zod'
import type { Pool } from './pool.ts'
import { queryAll, type Row, transact } from './transaction.ts'

const segmentRow = z.object({
  first_seq: z.coerce.number(),
  last_seq: z.coerce.number(),
  messages: z.string(),
})
const messages = z.array(
  z.object({ topic: z.string(), partition: z.int(), key: z.string(), value: z.string() }),
)

/** Of a takeover: more than one batch that is being committed and one before it whose snapshots had not left. */
const LAST_SEGMENTS = 4

/** As {@link Store.unsentKeys} says. */
export async function unsentKeys(
  pool: Pool,
  { topic, partition }: PartitionId,
  toTopic: string,
  limit: number,
): Promise<readonly string[]> {
  const text = `SELECT first_seq, last_seq, messages FROM outbox
                 WHERE topic = $1 AND partition = $2 ORDER BY last_seq DESC LIMIT $3`
  const values = [topic, partition, LAST_SEGMENTS]
  const [rows] = await queryAll(pool, [{ name: 'outbox-last', text, values }])
  const messages = (rows ?? []).flatMap((row) => segmentOf(row).messages.toReversed())
  const keys = messages.filter((message) => message.topic === toTopic).map(({ key }) => key)
  return [...new Set(keys)].slice(0, limit)
}

/** The outbox table. Removing is not synced to disk: what comes back after a crash is only sent again (I8). */
export function createOutboxStore(pool: Pool): OutboxStore {
  return {
    pendingSegments: async ({ topic, partition }, afterSeq, limit) => {
      const text = `SELECT first_seq, last_seq, messages FROM outbox
                     WHERE topic = $1 AND partition = $2 AND last_seq > $3 ORDER BY last_seq LIMIT $4`
      const statement = { name: 'outbox-pending', text, values: [topic, partition, afterSeq, limit] }
      const [rows] = await queryAll(pool, [statement])
      return (rows ?? []).map(segmentOf)
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

function segmentOf(row: Row): OutboxSegment {
  const { first_seq, last_seq, messages: text } = segmentRow.parse(row)
  return { firstSeq: first_seq, lastSeq: last_seq, messages: messages.parse(JSON.parse(text)) }
}
