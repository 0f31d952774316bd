/** The environment, read once. `process.env` appears nowhere else in this app. */
import { isRedisUrlList, type RedisAddress, redisAddress } from '@ironsys/cache'
import { type KafkaSecurity, kafkaSecurity, securityEnvironment, securityFaults } from '@ironsys/connections'
import { z } from 'zod'
import { authEnvironment, authFaults } from './auth-config.ts'
import { breakerEnvironment } from './breaker-config.ts'
import { cacheEnvironment } from './cache-config.ts'
import type { CursorKey } from './cursor.ts'
import { limitEnvironment } from './limit-config.ts'
import { replayEnvironment } from './replay-connection.ts'
import { shedEnvironment } from './shed-config.ts'

const port = z.coerce.number().int().min(0).max(65_535)
const count = (max: number) => z.coerce.number().int().min(0).max(max)
const hex32 = /^[0-9a-f]{64}$/i

const cursorKeys = z
  .string()
  .regex(
    /^[0-9a-z]:[0-9a-fA-F]{64}(,[0-9a-z]:[0-9a-fA-F]{64})*$/,
    'must be kid:hex64[,kid:hex64], each kid one of 0-9a-z',
  )
  .transform((text) =>
    text.split(',').map((part) => ({ kid: part.slice(0, 1), key: Buffer.from(part.slice(2), 'hex') })),
  )
  .refine((keys) => new Set(keys.map(({ kid }) => kid)).size === keys.length, 'names the same kid twice')

const environmentSchema = z
  .object({
    NODE_ENV: z.enum(['development', 'production', 'test']).default('development'),
    LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
    /** One of so many normal requests is logged at info; 0: none. */
    LOG_ONE_OF: count(1_000_000_000).default(0),
    /** The OTLP collector's base URL (http/protobuf); empty: no tracing. */
    OTEL_EXPORTER_OTLP_ENDPOINT: z.union([z.url({ protocol: /^https?$/ }), z.literal('')]).default(''),
    /** The share of the requests without a `traceparent` that is traced. */
    TRACE_RATIO: z.coerce.number().min(0).max(1).default(0.01),
    SLOW_REQUEST_MS: count(60_000).default(1000),
    /** Streams of slots open at a time in this process. */
    STREAMS_MAX: count(1_000_000).default(10_000),
    /** Of these, for one remote address; 0: all. */
    STREAMS_PER_CALLER: count(1_000_000).default(100),
    /** How long it goes on serving, no longer ready, before it closes; with the waits cut off after it below the stop's deadline. */
    DRAIN_MS: count(15_000).default(0),
    DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
    REDIS_URL: z
      .string()
      .refine(isRedisUrlList, 'must be redis://host:port; of a cluster several, with commas'),
    REDIS_CLUSTER: z.enum(['yes', 'no']).default('no'),
    ...cacheEnvironment,
    ...breakerEnvironment,
    ...limitEnvironment,
    ...replayEnvironment,
    ...shedEnvironment,
    KAFKA_BROKERS: z
      .string()
      .regex(/^[^\s,]+:\d+(,[^\s,]+:\d+)*$/, 'must be host:port[,host:port]')
      .transform((text) => text.split(',')),
    ...securityEnvironment,
    PARTITIONS: count(65_535).min(1).default(12),
    HOST: z.string().min(1).default('127.0.0.1'),
    PORT: port.default(8000),
    OPS_HOST: z.string().min(1).default('127.0.0.1'),
    OPS_PORT: port.default(9100),
    /** Permanent: the ids of keyed requests follow from it. */
    ID_KEY: z
      .string()
      .regex(hex32, 'must be 64 hex characters')
      .transform((text) => Buffer.from(text, 'hex')),
    CURSOR_KEYS: cursorKeys,
    ...authEnvironment,
  })
  .superRefine((values, { addIssue }) => {
    for (const fault of [...authFaults(values), ...securityFaults(values)])
      addIssue({ code: 'custom', ...fault })
  })
  .refine(({ REDIS_URL, REDIS_CLUSTER }) => REDIS_CLUSTER === 'yes' || !REDIS_URL.includes(','), {
    path: ['REDIS_URL'],
    message: 'names several nodes, which needs REDIS_CLUSTER=yes',
  })

export type Config = Omit<
  z.infer<typeof environmentSchema>,
  'CURSOR_KEYS' | 'REDIS_URL' | 'REDIS_CLUSTER'
> & {
  readonly redis: RedisAddress
  readonly kafkaSecurity: KafkaSecurity
  readonly cursorKeys: readonly [CursorKey, ...CursorKey[]]
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Throws a {@link ConfigError} that lists everything that is wrong, without the values. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const parsed = environmentSchema.safeParse(environment)
  if (!parsed.success) {
    const lines = parsed.error.issues.map(({ code, path, message }) => {
      const name = path.join('.')
      return `  ${name}: ${code === 'invalid_type' && environment[name] === undefined ? 'is not set' : message}`
    })
    throw new ConfigError(`the configuration is not usable:\n${lines.join('\n')}`)
  }
  const { CURSOR_KEYS, REDIS_URL, REDIS_CLUSTER, ...rest } = parsed.data
  const [first, ...others] = CURSOR_KEYS
  if (first === undefined) throw new ConfigError('CURSOR_KEYS has no key')
  const redis = redisAddress(REDIS_URL, REDIS_CLUSTER === 'yes', rest.REDIS_CA_FILE)
  return { ...rest, redis, kafkaSecurity: kafkaSecurity(rest), cursorKeys: [first, ...others] }
}
