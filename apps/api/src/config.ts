/** The environment, read once. `process.env` appears nowhere else in this app. */
import { z } from 'zod'
import type { CursorKey } from './cursor.ts'

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
    SLOW_REQUEST_MS: count(60_000).default(1000),
    /** How long it goes on serving, no longer ready, before it closes; with the waits cut off after it below the stop's deadline. */
    DRAIN_MS: count(15_000).default(0),
    DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
    REDIS_URL: z.url({ protocol: /^rediss?$/ }),
    KAFKA_BROKERS: z
      .string()
      .regex(/^[^\s,]+:\d+(,[^\s,]+:\d+)*$/, 'must be host:port[,host:port]')
      .transform((text) => text.split(',')),
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
    AUTH_MODE: z.enum(['none']).default('none'),
    ALLOW_NO_AUTH: z.enum(['yes', 'no']).default('no'),
  })
  .refine(
    ({ NODE_ENV, AUTH_MODE, ALLOW_NO_AUTH }) =>
      NODE_ENV !== 'production' || AUTH_MODE !== 'none' || ALLOW_NO_AUTH === 'yes',
    {
      path: ['AUTH_MODE'],
      message: 'is none, which production refuses unless ALLOW_NO_AUTH=yes',
    },
  )

export type Config = Omit<z.infer<typeof environmentSchema>, 'CURSOR_KEYS'> & {
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
  const { CURSOR_KEYS, ...rest } = parsed.data
  const [first, ...others] = CURSOR_KEYS
  if (first === undefined) throw new ConfigError('CURSOR_KEYS has no key')
  return { ...rest, cursorKeys: [first, ...others] }
}
