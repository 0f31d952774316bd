/**
 * What the layout of a reservation's id does to the indexes of `reservations` (docs/adr/0003-id-layout.md).
 *
 *   node load-tests/src/id-layout.ts --database-url postgres://…
 *     [--rows 10000000] [--last 1000000] [--layouts abcdefg] [--workload both|hot|even]
 *
 * Fills one table after the other, in the order of sale, and measures the last rows: 2,000 a transaction, committed to
 * disk, from one checkpoint on. Needs the rights to make a schema and the extension pgstattuple and to CHECKPOINT;
 * everything it makes lies in the schema `id_layout`, which it drops.
 *
 * Not measured: making the ids; the rest of a real commit (ledger, state, progress), which makes the differences here
 * smaller there; updates, vacuum and several writers at once; an index that is larger than the machine's memory.
 */
import { parseArgs } from 'node:util'
import pg from 'pg'
import { z } from 'zod'
import { LoadTestFault, runMain } from './faults.ts'
import { type Layout, layouts, type Workload, workloads } from './id-layout/layouts.ts'
import { BATCH_ROWS, measure, type Result } from './id-layout/measurement.ts'
import { quantile } from './quantiles.ts'
import { table, whole } from './table.ts'

const flagsSchema = z.strictObject({
  'database-url': z.url({ protocol: /^postgres(ql)?$/ }),
  rows: z.coerce.number().int().min(BATCH_ROWS).max(1e9).multipleOf(BATCH_ROWS).default(10_000_000),
  last: z.coerce.number().int().min(BATCH_ROWS).max(1e9).multipleOf(BATCH_ROWS).default(1_000_000),
  layouts: z
    .string()
    .regex(/^[a-g]+$/)
    .default('abcdefg'),
  workload: z.enum(['both', ...workloads]).default('both'),
})
type Flags = z.infer<typeof flagsSchema>

function readFlags(argv: readonly string[]): Flags {
  try {
    const options = Object.fromEntries(
      Object.keys(flagsSchema.shape).map((name) => [name, { type: 'string' as const }]),
    )
    return flagsSchema
      .refine((flags) => flags.last < flags.rows, 'there must be rows before the last ones')
      .parse(parseArgs({ args: [...argv], options }).values)
  } catch (error) {
    throw new LoadTestFault(error instanceof z.ZodError ? z.prettifyError(error) : String(error))
  }
}

function layoutsOf(workload: Workload, flags: Flags): readonly Layout[] {
  if (flags.workload !== 'both' && flags.workload !== workload) return []
  return layouts.filter(
    (layout) => layout.workloads.includes(workload) && flags.layouts.includes(layout.letter),
  )
}

const heads = [
  'layout',
  'base rows/s',
  'last rows/s',
  'by p50',
  'batch p50 ms',
  'p99 ms',
  'CPU µs/row',
  'WAL B/row',
  'page images',
  'pkey MB',
  'density %',
  'grew B/row',
  '2nd MB',
  'density %',
  'slot read ms',
  'pages',
  'rows',
]

function cells(result: Result): string[] {
  const { layout, primary, extra, read } = result
  return [
    layout.name,
    whole(result.baseRate),
    whole(result.rate),
    whole((BATCH_ROWS * 1000) / (quantile(result.batchMs, 0.5) ?? 0)),
    (quantile(result.batchMs, 0.5) ?? 0).toFixed(1),
    (quantile(result.batchMs, 0.99) ?? 0).toFixed(1),
    result.cpuUsPerRow.toFixed(1),
    whole(result.walBytesPerRow),
    whole(result.pageImages),
    whole(primary.bytes / 1e6),
    primary.density.toFixed(0),
    whole(result.primaryGrowth),
    extra === null ? '–' : whole(extra.bytes / 1e6),
    extra === null ? '–' : extra.density.toFixed(0),
    read.ms.toFixed(1),
    whole(read.pages),
    whole(read.rows),
  ]
}

await runMain(async () => {
  const flags = readFlags(process.argv.slice(2))
  const client = new pg.Client({ connectionString: flags['database-url'] })
  await client.connect()
  const results: Result[] = []
  try {
    await client.query('CREATE EXTENSION IF NOT EXISTS pgstattuple')
    for (const workload of workloads) {
      for (const layout of layoutsOf(workload, flags)) {
        const result = await measure(client, workload, layout, flags.rows, flags.last)
        results.push(result)
        process.stderr.write(table([cells(result)]))
      }
    }
  } finally {
    await client.query('DROP SCHEMA IF EXISTS id_layout CASCADE')
    await client.end()
  }
  for (const workload of workloads) {
    const rows = results.filter((result) => result.workload === workload).map(cells)
    if (rows.length > 0) process.stdout.write(`\n${workload}\n${table([heads, ...rows])}`)
  }
  return true
})
