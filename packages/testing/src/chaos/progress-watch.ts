/** Looks at `partition_progress` many times a second, from outside of the system: when does what move? */
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'

const POLL_MS = 50
/** Generous: it only tells a dead connection from a busy machine. */
const TIMEOUT_MS = 5000

export interface PartitionProgress {
  readonly nextOffset: number
  /** The database's clock; Unix milliseconds, like ours: it is the same machine's. */
  readonly updatedMs: number
}

/** Of all topics of commands, by {@link partitionName}. */
export type ProgressPicture = ReadonlyMap<string, PartitionProgress>

export function partitionName(topic: string, partition: number | string): string {
  return `${topic}/${partition}`
}

export interface ProgressWatch {
  /** As of the last poll that was answered. */
  now(): ProgressPicture
  /** Resolves at the first poll from now on that `condition` holds for, with its time; null at the deadline. */
  until(condition: (picture: ProgressPicture) => boolean, deadlineMs: number): Promise<number | null>
  close(): Promise<void>
}

interface Waiter {
  readonly condition: (picture: ProgressPicture) => boolean
  readonly untilMs: number
  readonly settle: (atMs: number | null) => void
}

export function watchProgress(databaseUrl: string): ProgressWatch {
  const closed = new AbortController()
  const waiters = new Set<Waiter>()
  let picture: ProgressPicture = new Map()
  let client: Client | null = null

  const poll = async (): Promise<void> => {
    try {
      client ??= await connect(databaseUrl)
      picture = await readProgress(client)
    } catch {
      // The database is being killed, cut off and restarted: the next poll tries again.
      const broken = client
      client = null
      await broken?.end().catch(() => undefined)
      return
    }
    const nowMs = Date.now()
    for (const waiter of waiters) if (waiter.condition(picture)) settle(waiter, nowMs)
  }
  const settle = (waiter: Waiter, atMs: number | null): void => {
    waiters.delete(waiter)
    waiter.settle(atMs)
  }
  const loop = async (): Promise<void> => {
    while (!closed.signal.aborted) {
      await poll()
      for (const waiter of waiters) if (Date.now() > waiter.untilMs) settle(waiter, null)
      await delay(POLL_MS, undefined, { signal: closed.signal }).catch(() => undefined)
    }
    for (const waiter of waiters) settle(waiter, null)
    await client?.end().catch(() => undefined)
  }
  const running = loop()
  return {
    now: () => picture,
    until: (condition, deadlineMs) =>
      new Promise((settled) => {
        waiters.add({ condition, untilMs: Date.now() + deadlineMs, settle: settled })
      }),
    close: async () => {
      closed.abort()
      await running
    },
  }
}

async function connect(databaseUrl: string): Promise<Client> {
  const client = new Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
    application_name: 'ironsys-chaos',
  })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function readProgress(client: Client): Promise<ProgressPicture> {
  const { rows } = await client.query<{
    topic: string
    partition: number
    next_offset: string
    updated_ms: string
  }>(
    `SELECT topic, partition, next_offset, (extract(epoch FROM updated_at) * 1000)::bigint AS updated_ms
       FROM partition_progress`,
  )
  return new Map(
    rows.map(({ topic, partition, next_offset, updated_ms }) => [
      partitionName(topic, partition),
      { nextOffset: Number(next_offset), updatedMs: Number(updated_ms) },
    ]),
  )
}
