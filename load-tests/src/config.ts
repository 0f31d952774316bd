/** Flags and environment of the load tests, read once. */
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { LoadTestFault } from './faults.ts'

const count = (max: number) => z.coerce.number().int().min(1).max(max)

const demoSchema = z.strictObject({
  url: z.url({ protocol: /^http$/ }),
  buyers: count(1_000_000).default(5000),
  slots: count(1000).default(20),
  units: count(1_000_000).default(100),
  /** Buyers whose request is under way at the same time. */
  concurrency: count(2000).default(128),
  /** Without any progress for this long the run has failed. */
  patience: count(3600).default(120),
  seed: z.coerce.number().int().min(0).max(0xffffffff).optional(),
})
export type DemoConfig = z.infer<typeof demoSchema>

const benchSchema = z.strictObject({
  /** Of each measured run. */
  seconds: count(600).default(10),
  warmup: count(60).default(10),
  /** Of each pipeline, taken in turns. */
  rounds: count(20).default(3),
  connections: count(5000).default(256),
  /** Reservations a second of the paced runs. */
  pace: count(1_000_000).default(10_000),
  threads: count(64).default(2),
  /** A run whose commands are not committed this long after it has failed. */
  patience: count(600).default(60),
  only: z.enum(['all', 'write', 'read']).default('all'),
})
export type BenchConfig = z.infer<typeof benchSchema>

const lifeSchema = z.strictObject({
  /** Holds, and as many in line, at each of the large slots. */
  rows: count(1_000_000).default(100_000),
  /** Of each measured block. */
  commands: z.coerce.number().int().min(3000).max(100_000).multipleOf(2).default(10_000),
  /** Of each block, the empty and the large slot in turns. */
  rounds: count(20).default(7),
  /** Holds that end together. */
  burst: count(100_000).default(10_000),
  /** Other commands a second meanwhile. */
  pace: count(100_000).default(1000),
  /** Holds of an idle system. */
  idle: count(10_000).default(150),
  /** Without any progress for this long a run has failed, seconds. */
  patience: count(3600).default(120),
  only: z.enum(['all', 'rates', 'burst', 'idle']).default('all'),
})
export type LifeConfig = z.infer<typeof lifeSchema>

const bareSchema = z.strictObject({
  port: z.coerce.number().int().min(1).max(65535),
  brokers: z.string().min(1),
  topic: z.string().min(1),
  partitions: count(1000),
  database: z.string().min(1),
  /** A file whose bytes answer every GET /slots/:id. */
  document: z.string().optional(),
})
export type BareConfig = z.infer<typeof bareSchema>

export function readBareConfig(argv: readonly string[]): BareConfig {
  return read(bareSchema, argv, {})
}

/** This process's environment with more on top, for programs that it starts. */
export function childEnvironment(
  more: Readonly<Record<string, string>>,
): Readonly<Record<string, string | undefined>> {
  return { ...process.env, ...more }
}

export function readDemoConfig(argv: readonly string[]): DemoConfig {
  return read(demoSchema, argv, { url: process.env.API_URL || 'http://127.0.0.1:8000' })
}

export function readBenchConfig(argv: readonly string[]): BenchConfig {
  return read(benchSchema, argv, {})
}

export function readLifeConfig(argv: readonly string[]): LifeConfig {
  return read(lifeSchema, argv, {})
}

function read<S extends z.ZodObject>(
  schema: S,
  argv: readonly string[],
  more: Record<string, string>,
): z.infer<S> {
  const names = Object.keys(schema.shape)
  try {
    const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]))
    const { values } = parseArgs({ args: [...argv], options })
    return schema.parse({ ...more, ...values })
  } catch (error) {
    const why =
      error instanceof z.ZodError
        ? error.issues.map((issue) => `--${issue.path.join('.')}: ${issue.message}`).join('; ')
        : String(error)
    throw new LoadTestFault(`${why}\nflags: ${names.map((name) => `--${name}`).join(' ')}`)
  }
}
