/** Reads a whole events topic, as a consumer of its own. */
import { randomUUID } from 'node:crypto'
import type { TopicName } from '@ironsys/contracts'
import { waitUntil } from '@ironsys/local'
import { Kafka, logLevel } from 'kafkajs'
import { z } from 'zod'
import type { EventFact } from './facts.ts'

const READ_DEADLINE_MS = 60_000

/** By partition: the offset that its next record will get. */
export type LogEnds = ReadonlyMap<number, { readonly high: number }>

const event = z.object({
  seq: z.int(),
  type: z.string(),
  slot_id: z.string().optional(),
  booking_id: z.string().optional(),
  version: z.int().nullish(),
  reservation_id: z.string().optional(),
})

/** By partition, in the order of the log, up to `ends`. Throws when it takes longer than a minute. */
export async function readEvents(
  brokers: readonly string[],
  topic: TopicName,
  ends: LogEnds,
): Promise<ReadonlyMap<number, readonly EventFact[]>> {
  const kafka = new Kafka({ clientId: 'chaos-events', brokers: [...brokers], logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: `chaos-${randomUUID()}` })
  const found = new Map<number, EventFact[]>([...ends.keys()].map((partition) => [partition, []]))
  await consumer.connect()
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        found.get(partition)?.push(readEvent(Number(message.offset), message.value?.toString('utf8') ?? ''))
      },
    })
    const isRead = () =>
      [...ends].every(([partition, { high }]) => (found.get(partition)?.at(-1)?.offset ?? -1) >= high - 1)
    if (!(await waitUntil(isRead, READ_DEADLINE_MS))) throw new Error(`${topic} could not be read to its end`)
  } finally {
    await consumer.disconnect()
  }
  return found
}

function readEvent(offset: number, text: string): EventFact {
  const { seq, type, slot_id, booking_id, version, reservation_id } = event.parse(JSON.parse(text))
  return {
    offset,
    seq,
    type,
    // An event of a slot may name a booking too.
    key: slot_id ?? booking_id ?? '',
    version: version ?? 0,
    reservationId: reservation_id ?? null,
    text,
  }
}
