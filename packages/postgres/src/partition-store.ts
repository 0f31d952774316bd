/**
 * The engine's store on Postgres.
 *
 * Invariants:
 * 1. A batch is one transaction in one round trip. Its first statement moves `partition_progress` on and fails as an
 *    SQL error unless the row is as this writer last saw it (I4); everything behind it then fails with it.
 * 2. What is thrown as FencedError or DataError is known not to have committed. Any other error is not.
 */
import {
  type BatchEffects,
  DataError,
  type DomainEvent,
  type DueKey,
  FencedError,
  type Header,
  LogIdentityError,
  type Page,
  type PartitionId,
  type Prefetched,
  type PrefetchRequest,
  type Progress,
  type Store,
} from '@ironsys/engine'
import { z } from 'zod'
import { unsentKeys } from './outbox-store.ts'
import type { Pool } from './pool.ts'
import { isServerError, queryAll, type Row, type Statement, transact } from './transaction.ts'

/** A domain's tables, as SQL: what to load before a batch is decided, and what to save after it. */
export interface DomainTables<E extends DomainEvent, H extends Header, R, O> {
  /** Answers one row, of one snapshot of the database: `headers`, `rows` and `pages`, each a JSON array. */
  prefetch(request: PrefetchRequest): Statement
  read(answer: z.infer<typeof prefetchedRow>): {
    readonly headers: ReadonlyMap<string, H>
    readonly rows: ReadonlyMap<string, R>
    readonly pages: readonly Page<R>[]
  }
  /** Answers rows of `key` and `at` (Unix milliseconds), as {@link Store.dueKeys} says. */
  dueKeys(partition: number, limit: number): Statement
  save(effects: BatchEffects<E, H, R, O>): readonly Statement[]
  readOutcome(json: unknown): O
}

/** The log that this process reads; the database remembers it and refuses another. */
export interface LogIdentity {
  readonly clusterId: string
  readonly partitionCount: number
}

export function createPartitionStore<E extends DomainEvent, H extends Header, R, O>(
  pool: Pool,
  tables: DomainTables<E, H, R, O>,
  identity: LogIdentity,
): Store<E, H, R, O> {
  return {
    open: async (id) => {
      const [, rows] = await queryAll(pool, [makeProgress(id, identity), readProgress(id)])
      return progressOf(id, rows?.[0], identity)
    },
    dueKeys: async ({ partition }, limit) => {
      const [rows] = await queryAll(pool, [tables.dueKeys(partition, limit)])
      return (rows ?? []).map(dueKeyOf)
    },
    unsentKeys: (id, topic, limit) => unsentKeys(pool, id, topic, limit),
    prefetch: (request) => prefetch(pool, tables, request),
    commit: async (effects) => {
      try {
        await transact(pool, [advance(effects), ...tables.save(effects), ...saveEngineTables(effects)])
      } catch (error) {
        throw faultOf(error)
      }
    },
  }
}

const FENCED = 'IS001'

function faultOf(error: unknown): unknown {
  if (!isServerError(error)) return error
  if (error.code === FENCED) return new FencedError(error.message)
  const isDataError = error.code.startsWith('22') || error.code.startsWith('23')
  return isDataError ? new DataError(`${error.code}: ${error.message}`, { cause: error }) : error
}

function makeProgress(
  { topic, partition }: PartitionId,
  { clusterId, partitionCount }: LogIdentity,
): Statement {
  return {
    name: 'progress-make',
    text: `INSERT INTO partition_progress (topic, partition, cluster_id, partition_count) VALUES ($1, $2, $3, $4)
           ON CONFLICT (topic, partition) DO NOTHING`,
    values: [topic, partition, clusterId, partitionCount],
  }
}

function readProgress({ topic, partition }: PartitionId): Statement {
  return {
    name: 'progress-read',
    text: `SELECT row_to_json(p) AS progress FROM (
             SELECT cluster_id, partition_count, next_offset, epoch, event_seq, steps, last_record_digest,
                    (extract(epoch FROM log_time) * 1000)::bigint AS log_time,
                    (extract(epoch FROM last_record_time) * 1000)::bigint AS last_record_time
               FROM partition_progress WHERE topic = $1 AND partition = $2) p`,
    values: [topic, partition],
  }
}

const progressRow = z.object({
  cluster_id: z.string(),
  partition_count: z.int(),
  next_offset: z.int(),
  epoch: z.int(),
  event_seq: z.int(),
  steps: z.int(),
  log_time: z.int(),
  last_record_digest: z.string().nullable(),
  last_record_time: z.int().nullable(),
})

function progressOf(id: PartitionId, row: Row | undefined, identity: LogIdentity): Progress {
  const stored = progressRow.parse(row?.progress)
  if (stored.cluster_id !== identity.clusterId || stored.partition_count !== identity.partitionCount) {
    throw new LogIdentityError(
      `partition ${id.partition} of ${id.topic} was written from Kafka cluster ${stored.cluster_id} with ` +
        `${stored.partition_count} partitions; this is ${identity.clusterId} with ${identity.partitionCount}`,
    )
  }
  const { last_record_digest: digest, last_record_time: timeMs } = stored
  return {
    nextOffset: stored.next_offset,
    epoch: stored.epoch,
    logTimeMs: stored.log_time,
    lastRecord: digest === null || timeMs === null ? null : { digest, timeMs },
    eventSeq: stored.event_seq,
    steps: stored.steps,
  }
}

const dueKeyRow = z.object({ key: z.string(), at: z.coerce.number() })

function dueKeyOf(row: Row): DueKey {
  const { key, at } = dueKeyRow.parse(row)
  return { key, atMs: at }
}

async function prefetch<E extends DomainEvent, H extends Header, R, O>(
  pool: Pool,
  tables: DomainTables<E, H, R, O>,
  request: PrefetchRequest,
): Promise<Prefetched<H, R, O>> {
  const commandIds = request.commandIds
  const statements = [
    tables.prefetch(request),
    ...(commandIds.length === 0 ? [] : [readRemembered(commandIds)]),
  ]
  const [domainRows, rememberedRows] = await queryAll(pool, statements)
  const loaded = tables.read(prefetchedRow.parse(domainRows?.[0]))
  const outcomes = (rememberedRows ?? []).map(
    (row) => [z.string().parse(row.command_id), tables.readOutcome(row.outcome)] as const,
  )
  return { ...loaded, remembered: new Map(outcomes) }
}

const prefetchedRow = z.object({
  headers: z.array(z.unknown()),
  rows: z.array(z.unknown()),
  pages: z.array(z.unknown()),
})

function readRemembered(commandIds: readonly string[]): Statement {
  return {
    name: 'applied-commands-read',
    text: 'SELECT command_id, outcome FROM applied_commands WHERE command_id = ANY ($1::uuid[])',
    values: [commandIds],
  }
}

function advance<E extends DomainEvent, H extends Header, R, O>({
  id,
  from,
  to,
}: BatchEffects<E, H, R, O>): Statement {
  return {
    name: 'partition-advance',
    text: 'SELECT advance_partition($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)',
    values: [
      id.topic,
      id.partition,
      from.nextOffset,
      from.epoch,
      from.eventSeq,
      to.nextOffset,
      new Date(to.logTimeMs).toISOString(),
      to.lastRecord?.digest ?? null,
      to.lastRecord === null ? null : new Date(to.lastRecord.timeMs).toISOString(),
      to.eventSeq,
      to.steps,
    ],
  }
}

function saveEngineTables<E extends DomainEvent, H extends Header, R, O>(
  effects: BatchEffects<E, H, R, O>,
): readonly Statement[] {
  const { id, remembered, deadLetters, segment } = effects
  const statements: Statement[] = []
  if (segment !== null) {
    statements.push({
      name: 'outbox-insert',
      text: 'INSERT INTO outbox (topic, partition, first_seq, last_seq, messages) VALUES ($1, $2, $3, $4, $5)',
      values: [id.topic, id.partition, segment.firstSeq, segment.lastSeq, JSON.stringify(segment.messages)],
    })
  }
  if (remembered.length > 0) {
    statements.push({
      name: 'applied-commands-insert',
      text: `INSERT INTO applied_commands (command_id, at, outcome)
             SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::jsonb[])`,
      values: [
        remembered.map((entry) => entry.commandId),
        remembered.map((entry) => new Date(entry.atMs).toISOString()),
        remembered.map((entry) => JSON.stringify(entry.outcome)),
      ],
    })
  }
  if (deadLetters.length > 0) {
    statements.push({
      name: 'dead-letters-insert',
      text: `INSERT INTO dead_letters (topic, partition, "offset", command_id, code, detail, key, value, at)
             SELECT $1, $2, * FROM unnest($3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::bytea[], $8::bytea[],
                                          $9::timestamptz[])`,
      values: [
        id.topic,
        id.partition,
        deadLetters.map((letter) => letter.offset),
        deadLetters.map((letter) => letter.commandId),
        deadLetters.map((letter) => letter.code),
        deadLetters.map((letter) => letter.detail.replaceAll('\0', '\\0')),
        deadLetters.map((letter) => letter.key),
        deadLetters.map((letter) => letter.value),
        deadLetters.map((letter) => new Date(letter.atMs).toISOString()),
      ],
    })
  }
  return statements
}
