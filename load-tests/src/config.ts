/** Flags and environment of the load tests, read once. */
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { FlagFault } from './faults.ts'

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
  /** Seconds of each rung of the ladder of reads. */
  rung: count(60).default(3),
  /** How often the ladder is climbed, up and down in turns. */
  climbs: count(20).default(5),
  /** Seconds of the realistic mix of reads and writes, and its slots. */
  mix: count(600).default(15),
  slots: count(100_000).default(10_000),
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
  only: z.enum(['all', 'rates', 'pairs', 'burst', 'idle']).default('all'),
})
export type LifeConfig = z.infer<typeof lifeSchema>

const listsSchema = z.strictObject({
  slots: count(1_000_000).default(100_000),
  /** Of each filter in each round. */
  seconds: count(600).default(5),
  /** Pages a second. */
  pace: count(10_000).default(200),
  /** Reservations a second meanwhile, each after a look at its slot. */
  writes: z.coerce.number().int().min(0).max(10_000).default(500),
  /** Of all filters, taken in turns. */
  rounds: count(20).default(3),
  /** A part of a page's name. */
  only: z.string().default(''),
})
export type ListsConfig = z.infer<typeof listsSchema>

const overloadSchema = z.strictObject({
  /** Of each point. */
  seconds: count(600).default(6),
  warmup: count(60).default(6),
  /** Before each point, at its rate. */
  settle: count(60).default(4),
  /** Of the sustainable rate, with commas. */
  factors: z
    .string()
    .regex(/^\d+(\.\d+)?(,\d+(\.\d+)?)*$/, 'must be numbers, with commas')
    .default('0.5,1,1.5,2,3')
    .transform((text) => text.split(',').map(Number)),
  /** Of the open loop: so many requests can wait at the server. Each needs a file descriptor at both ends. */
  connections: count(5000).default(2000),
  /** Commands that are not committed so many seconds after the last one was are lost. */
  patience: count(600).default(30),
})
export type OverloadConfig = z.infer<typeof overloadSchema>

const streamsSchema = z.strictObject({
  /** Open at the same time, half of them Server-Sent Events, half WebSockets. */
  streams: z.coerce.number().int().min(2).max(20_000).multipleOf(2).default(5000),
  /** Changes that all of them are told. */
  changes: count(10_000).default(60),
  /** Changes whose visibility is measured. */
  visible: count(10_000).default(200),
  /** A change that has not arrived everywhere after so many seconds is a failure. */
  patience: count(600).default(30),
  only: z.enum(['all', 'fanout', 'visibility']).default('all'),
})
export type StreamsConfig = z.infer<typeof streamsSchema>

const limitsSchema = z.strictObject({
  /** Of each measured run. */
  requests: count(100_000_000).default(500_000),
  rounds: count(100).default(5),
  /** Of the run with many. */
  addresses: count(100_000).default(20_000),
})
export type LimitsConfig = z.infer<typeof limitsSchema>

const fuzzSchema = z.strictObject({
  /** Fewer of them are a failure. */
  requests: count(10_000_000).default(5000),
  /** Of a round, for all phases of schemathesis. */
  minutes: count(600).default(6),
  seed: z.coerce.number().int().min(0).max(0xffffffff).optional(),
})
export type FuzzConfig = z.infer<typeof fuzzSchema>

const streamClientsSchema = z.strictObject({
  /** Of the slot. */
  url: z.url({ protocol: /^http$/ }),
  form: z.enum(['sse', 'websocket']),
  streams: count(20_000),
})
export type StreamClientsConfig = z.infer<typeof streamClientsSchema>

const bareSchema = z.strictObject({
  port: z.coerce.number().int().min(1).max(65535),
  brokers: z.string().min(1),
  topic: z.string().min(1),
  partitions: count(1000),
  database: z.string().min(1),
  /** A file with the headers and the body of a cached GET /slots/:id, as JSON. */
  answer: z.string().optional(),
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

export function readListsConfig(argv: readonly string[]): ListsConfig {
  return read(listsSchema, argv, {})
}

export function readOverloadConfig(argv: readonly string[]): OverloadConfig {
  return read(overloadSchema, argv, {})
}

export function readStreamsConfig(argv: readonly string[]): StreamsConfig {
  return read(streamsSchema, argv, {})
}

export function readLimitsConfig(argv: readonly string[]): LimitsConfig {
  return read(limitsSchema, argv, {})
}

export function readFuzzConfig(argv: readonly string[]): FuzzConfig {
  return read(fuzzSchema, argv, {})
}

export function readStreamClientsConfig(argv: readonly string[]): StreamClientsConfig {
  return read(streamClientsSchema, argv, {})
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
        : error instanceof Error
          ? error.message
          : String(error)
    throw new FlagFault(`${why}\nflags: ${names.map((name) => `--${name}`).join(' ')}`)
  }
}
