/** Reads everything that the checks look at, once the system is healed and its load has stopped. */
import { decodeSnapshot } from '@ironsys/cache'
import { redisNames, topics } from '@ironsys/contracts'
import { createLogAdmin, silentLogger } from '@ironsys/kafka'
import { waitUntil } from '@ironsys/local'
import { Redis } from 'ioredis'
import { Client, type QueryResultRow } from 'pg'
import { readSlotAnswer, readSlotDocument } from './answers.ts'
import type { ChaosSystem } from './chaos-system.ts'
import { call } from './clients.ts'
import { type LogEnds, readEvents } from './event-topic.ts'
import type {
  EventFact,
  Facts,
  LedgerFact,
  PartitionFact,
  ReservationFact,
  SlotFact,
  SnapshotFact,
} from './facts.ts'

/** How long the log may take to be applied, and its events to be sent. */
const DRAIN_DEADLINE_MS = 120_000
const SNAPSHOT_DEADLINE_MS = 15_000

/** Waits until the log is drained, as long as that may take; what is left then is for the checks to say. */
export async function gatherFacts(system: ChaosSystem): Promise<Facts> {
  const { databaseUrl, kafkaBrokers } = system.direct
  const client = new Client({ connectionString: databaseUrl })
  const admin = createLogAdmin({ brokers: kafkaBrokers, clientId: 'chaos', logger: silentLogger })
  await client.connect()
  try {
    let partitions = await readPartitions(client, await admin.offsets(topics.reservationCommands))
    await waitUntil(async () => {
      partitions = await readPartitions(client, await admin.offsets(topics.reservationCommands))
      return partitions.every((each) => each.nextOffset === each.logEnd && each.outboxSegments === 0)
    }, DRAIN_DEADLINE_MS)
    const events = await readEvents(kafkaBrokers, await admin.offsets(topics.reservationEvents))
    const slots = await readSlots(client)
    return {
      slots,
      reservations: await readReservations(client),
      ledger: await readLedger(client),
      partitions: partitions.map((each) => ({ ...each, events: events.get(each.partition) ?? [] })),
      deadLetters: await readDeadLetters(client),
      snapshots: await readSnapshots(system, slots),
    }
  } finally {
    await client.end()
    await admin.close()
  }
}

async function rowsOf<R extends QueryResultRow>(client: Client, text: string): Promise<readonly R[]> {
  return (await client.query<R>(text)).rows
}

async function readPartitions(
  client: Client,
  ends: LogEnds,
): Promise<readonly (PartitionFact & { readonly events: readonly EventFact[] })[]> {
  const rows = await rowsOf<{ partition: number; next: number; seq: number; segments: number }>(
    client,
    `SELECT p.partition, p.next_offset::float8 AS next, p.event_seq::float8 AS seq,
            (SELECT count(*)::int FROM outbox o WHERE o.topic = p.topic AND o.partition = p.partition) AS segments
       FROM partition_progress p WHERE p.topic = '${topics.reservationCommands}' ORDER BY p.partition`,
  )
  return rows.map(({ partition, next, seq, segments }) => ({
    partition,
    nextOffset: next,
    logEnd: ends.get(partition)?.high ?? -1,
    eventSeq: seq,
    outboxSegments: segments,
    events: [],
  }))
}

function readSlots(client: Client): Promise<readonly SlotFact[]> {
  return rowsOf(
    client,
    `SELECT id, name, version::float8 AS version, capacity, overbooking_bps AS "overbookingBps", held, confirmed FROM slots`,
  )
}

function readReservations(client: Client): Promise<readonly ReservationFact[]> {
  return rowsOf(
    client,
    `SELECT id, slot_id AS "slotId", user_id AS "userId", quantity, status, reason, slot_version::float8 AS "slotVersion"
       FROM reservations`,
  )
}

function readLedger(client: Client): Promise<readonly LedgerFact[]> {
  return rowsOf(
    client,
    `SELECT slot_id AS "slotId", version::float8 AS version, type, held_delta AS "heldDelta",
            confirmed_delta AS "confirmedDelta", capacity, overbooking_bps AS "overbookingBps",
            reservation_id AS "reservationId", coalesce(event->'slot'->>'name', event->>'name') AS name
       FROM slot_ledger ORDER BY slot_id, version`,
  )
}

async function readDeadLetters(client: Client): Promise<readonly string[]> {
  const rows = await rowsOf<{ letter: string }>(
    client,
    `SELECT concat_ws(' ', topic, partition, "offset", command_id, code, detail) AS letter FROM dead_letters`,
  )
  return rows.map(({ letter }) => letter)
}

/** What both APIs say, each slot asked for at its stored version, and what Redis holds after that. */
async function readSnapshots(
  { apis, direct }: ChaosSystem,
  slots: readonly SlotFact[],
): Promise<readonly SnapshotFact[]> {
  const found: SnapshotFact[] = []
  for (const { id, version } of slots) {
    for (const api of apis) {
      const { life, url } = api.target()
      const read = readSlotAnswer(
        id,
        await call(`${url}/slots/${id}?min_version=${version}`, { method: 'GET' }),
      )
      found.push(read === null ? { ...nothing(id), source: life } : { ...read, source: life })
    }
  }
  const redis = new Redis(direct.redisUrl)
  try {
    for (const { id, version } of slots) found.push(...(await readFromRedis(redis, id, version)))
  } finally {
    redis.disconnect()
  }
  return found
}

function nothing(slotId: string): Omit<SnapshotFact, 'source'> {
  return { slotId, version: -1, reservedUnits: -1, capacityUnits: -1 }
}

/** None is fine: a snapshot may expire. An old one has its time to be replaced, now that it was asked for. */
async function readFromRedis(redis: Redis, id: string, version: number): Promise<readonly SnapshotFact[]> {
  let found: SnapshotFact | null = null
  await waitUntil(async () => {
    found = parseStored(id, await redis.get(redisNames.slot(id)))
    return found === null || found.version >= version
  }, SNAPSHOT_DEADLINE_MS)
  return found === null ? [] : [found]
}

/** Null when there is none; a text that cannot be read agrees with nothing. */
function parseStored(slotId: string, text: string | null): SnapshotFact | null {
  if (text === null) return null
  const stored = decodeSnapshot(text)
  const read = stored === null ? null : readSlotDocument(stored.document)
  return read === null ? { ...nothing(slotId), source: 'redis' } : { ...read, slotId, source: 'redis' }
}
