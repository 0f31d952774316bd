/** How far the writers are behind the log: by the database, which is the truth, and by the group's own offsets. */
import { setTimeout as delay } from 'node:timers/promises'
import { type CommandTopic, commandTopics, consumerGroup } from '@ironsys/contracts'
import type { LogAdmin } from '@ironsys/kafka'
import { LocalFault } from '@ironsys/local'
import pg from 'pg'
import { z } from 'zod'
import { readOptions } from '../arguments.ts'
import type { Command, Context } from '../command.ts'
import { type LagRow, lagTable } from '../lag-table.ts'
import { kafkaSettings, withLogAdmin } from '../log.ts'
import { currentAddresses } from '../running.ts'

const REFRESH_MS = 1000
const CLEAR_SCREEN = '\x1b[H\x1b[2J'

export const lagCommand: Command = {
  name: 'lag',
  summary: 'show how far the worker is behind the log, by topic and partition, live',
  usage: '[--once]',
  details: `  decided   the next offset in partition_progress, which moves with the decisions themselves
  group     the offset that the consumer group of the topic committed, for lag tools only; it trails

In a terminal it refreshes every second until Ctrl-C, elsewhere and with --once it prints once.`,
  run: async (args, context) => {
    const { once } = readOptions(args, { once: { type: 'boolean', default: false } })
    const { databaseUrl } = currentAddresses(context.config)
    const client = new pg.Client({ connectionString: databaseUrl })
    await client.connect().catch((error: Error) => {
      throw new LocalFault(`the database does not answer: ${error.message}; ./ironsys up starts it`)
    })
    try {
      await withLogAdmin(kafkaSettings(context.config), (admin) =>
        show(client, admin, context, !once && process.stdout.isTTY === true),
      )
      return 0
    } finally {
      await client.end()
    }
  },
}

async function show(
  client: pg.Client,
  admin: LogAdmin,
  { config, say }: Context,
  live: boolean,
): Promise<void> {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  process.once('SIGTERM', () => stop.abort())
  const shown = commandTopics.map((topic) => ({ topic, rate: createRate() }))
  for (;;) {
    const tables: string[] = []
    for (const { topic, rate } of shown) {
      const rows = await readLag(client, admin, topic, consumerGroup(config.workerGroup, topic))
      const decided = rows.reduce((sum, row) => sum + row.decided, 0)
      tables.push(lagTable(topic, rows, rate(decided)))
    }
    say((live ? CLEAR_SCREEN : '') + tables.join('\n\n'))
    if (!live) return
    await delay(REFRESH_MS, undefined, { signal: stop.signal }).catch(() => undefined)
    if (stop.signal.aborted) return
  }
}

/** Answers how much a count grows per second, since it was asked last; null the first time. */
function createRate(): (count: number) => number | null {
  let before: { readonly count: number; readonly atMs: number } | null = null
  return (count) => {
    const now = { count, atMs: performance.now() }
    const perSecond = before === null ? null : ((count - before.count) * 1000) / (now.atMs - before.atMs)
    before = now
    return perSecond
  }
}

const progressRows = z.array(
  z.object({ partition: z.int(), next_offset: z.coerce.number(), age_seconds: z.coerce.number() }),
)

async function readLag(
  client: pg.Client,
  admin: LogAdmin,
  topic: CommandTopic,
  group: string,
): Promise<readonly LagRow[]> {
  const description = await admin.describe(topic)
  if (description === null) throw new LocalFault(`topic ${topic} does not exist: ./ironsys topics makes it`)
  const bounds = await admin.offsets(topic)
  const committed = await admin.groupOffsets(group, topic)
  const answer = await client.query(
    `SELECT partition, next_offset, extract(epoch FROM clock_timestamp() - updated_at) AS age_seconds
       FROM partition_progress WHERE topic = $1`,
    [topic],
  )
  const progress = new Map(progressRows.parse(answer.rows).map((row) => [row.partition, row]))
  return [...bounds]
    .sort(([a], [b]) => a - b)
    .map(([partition, { high }]) => ({
      partition,
      end: high,
      decided: progress.get(partition)?.next_offset ?? 0,
      group: committed.get(partition) ?? null,
      ageSeconds: progress.get(partition)?.age_seconds ?? null,
    }))
}
