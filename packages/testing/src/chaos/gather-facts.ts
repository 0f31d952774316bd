/** Reads everything that the checks look at, once the system is healed and its load has stopped. */
import { decodeSnapshot } from '@ironsys/cache'
import { type CommandTopic, commandTopics, redisNames, topics } from '@ironsys/contracts'
import { createLogAdmin, silentLogger } from '@ironsys/kafka'
import { waitUntil } from '@ironsys/local'
import { Redis } from 'ioredis'
import { Client, type QueryResultRow } from 'pg'
import { readSlotAnswer, readSlotDocument } from './answers.ts'
import type { ChaosSystem } from './chaos-system.ts'
import { call } from './clients.ts'
import { type LogEnds, readEvents } from './event-topic.ts'
import type {
  BookingFact,
  Facts,
  LedgerFact,
  PartitionFact,
  ReservationFact,
  SlotFact,
  SnapshotFact,
} from './facts.ts'
import type { LifeStep } from './lives.ts'

/**
 * How long the logs may take to be applied, holds to end and bookings to be decided (60 s where a slot does not answer),
 * and all of their events to be sent.
 */
const DRAIN_DEADLINE_MS = 150_000
const SNAPSHOT_DEADLINE_MS = 15_000

const eventTopics = {
  [topics.reservationCommands]: topics.reservationEvents,
  [topics.bookingCommands]: topics.bookingEvents,
} as const satisfies Record<CommandTopic, string>

/** Waits until everything is at rest, as long as that may take; what is left then is for the checks to say. */
export async function gatherFacts(system: ChaosSystem): Promise<Facts> {
  const { databaseUrl, kafkaBrokers } = system.direct
  const client = new Client({ connectionString: databaseUrl })
  const admin = createLogAdmin({ brokers: kafkaBrokers, clientId: 'chaos', logger: silentLogger })
  await client.connect()
  const readAll = async () => {
    const each = commandTopics.map(async (topic) => readPartitions(client, topic, await admin.offsets(topic)))
    return (await Promise.all(each)).flat()
  }
  try {
    let partitions: readonly PartitionFact[] = []
    await waitUntil(async () => {
      // First: whatever ends now leaves records and events behind it.
      const atRest = (await countOpen(client)) === 0
      partitions = await readAll()
      return (
        atRest && partitions.every((each) => each.nextOffset === each.logEnd && each.outboxSegments === 0)
      )
    }, DRAIN_DEADLINE_MS)
    const slots = await readSlots(client)
    return {
      slots,
      reservations: await readReservations(client),
      bookings: await readBookings(client),
      ledger: await readLedger(client),
      partitions: await withEvents(partitions, kafkaBrokers, admin),
      deadLetters: await readDeadLetters(client),
      snapshots: await readSnapshots(system, slots),
    }
  } finally {
    await client.end()
    await admin.close()
  }
}

/** Holds and bookings that are not decided for good. */
async function countOpen(client: Client): Promise<number> {
  const rows = await rowsOf<{ open: number }>(
    client,
    `SELECT ((SELECT count(*) FROM reservations WHERE status = 'held') +
             (SELECT count(*) FROM bookings WHERE status IN ('pending', 'held')))::int AS open`,
  )
  return rows[0]?.open ?? 0
}

async function withEvents(
  partitions: readonly PartitionFact[],
  brokers: readonly string[],
  admin: ReturnType<typeof createLogAdmin>,
): Promise<readonly PartitionFact[]> {
  const all: PartitionFact[] = []
  for (const topic of commandTopics) {
    const events = await readEvents(brokers, eventTopics[topic], await admin.offsets(eventTopics[topic]))
    const own = partitions.filter((each) => each.topic === topic)
    all.push(...own.map((each) => ({ ...each, events: events.get(each.partition) ?? [] })))
  }
  return all
}

async function rowsOf<R extends QueryResultRow>(client: Client, text: string): Promise<readonly R[]> {
  return (await client.query<R>(text)).rows
}

async function readPartitions(
  client: Client,
  topic: CommandTopic,
  ends: LogEnds,
): Promise<readonly PartitionFact[]> {
  const rows = await rowsOf<{ partition: number; next: number; seq: number; segments: number }>(
    client,
    `SELECT p.partition, p.next_offset::float8 AS next, p.event_seq::float8 AS seq,
            (SELECT count(*)::int FROM outbox o WHERE o.topic = p.topic AND o.partition = p.partition) AS segments
       FROM partition_progress p WHERE p.topic = '${topic}' ORDER BY p.partition`,
  )
  return rows.map(({ partition, next, seq, segments }) => ({
    topic,
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
    `SELECT id, name, version::float8 AS version, capacity, overbooking_bps AS "overbookingBps", held, confirmed,
            max_per_user AS "maxPerUser", waitlist_count AS "waitlistCount"
       FROM slots`,
  )
}

/** As stored: [status, Unix milliseconds, reason]. */
type StoredLife = readonly (readonly [string, number, string | null])[]
type WithLife<T> = Omit<T, 'life'> & { readonly steps: StoredLife }

async function readReservations(client: Client): Promise<readonly ReservationFact[]> {
  const rows = await rowsOf<WithLife<ReservationFact>>(
    client,
    `SELECT id, slot_id AS "slotId", metadata->>'request' AS name, booking_id AS "bookingId", user_id AS "userId",
            quantity, status, reason, slot_version::float8 AS "slotVersion",
            coalesce(transitions, jsonb_build_array(jsonb_build_array(
              status, (extract(epoch FROM created_at) * 1000)::bigint, reason))) AS steps
       FROM reservations`,
  )
  return rows.map(({ steps, ...row }) => ({ ...row, life: lifeOf(steps) }))
}

async function readBookings(client: Client): Promise<readonly BookingFact[]> {
  const rows = await rowsOf<WithLife<BookingFact>>(
    client,
    `SELECT id, version::float8 AS version, user_id AS "userId", status, reason, transitions AS steps,
            (SELECT jsonb_agg(jsonb_build_object(
                      'slotId', slot_id, 'reservationId', reservation_id, 'quantity', quantity) ORDER BY position)
               FROM booking_items i WHERE i.booking_id = b.id) AS items
       FROM bookings b`,
  )
  return rows.map(({ steps, ...row }) => ({ ...row, life: lifeOf(steps) }))
}

function lifeOf(steps: StoredLife): readonly LifeStep[] {
  return steps.map(([status, atMs]) => ({ status, atMs }))
}

function readLedger(client: Client): Promise<readonly LedgerFact[]> {
  return rowsOf(
    client,
    `SELECT slot_id AS "slotId", version::float8 AS version, (extract(epoch FROM at) * 1000)::float8 AS "atMs", type,
            held_delta AS "heldDelta", confirmed_delta AS "confirmedDelta", capacity,
            overbooking_bps AS "overbookingBps", reservation_id AS "reservationId",
            coalesce(event->'slot'->>'name', event->>'name') AS name
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
