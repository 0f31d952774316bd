/** The environment as the local stack reads it: addresses given here win over servers of our own. */
import { type KafkaSecurity, kafkaSecurity, securityEnvironment, securityFaults } from '@ironsys/connections'
import { z } from 'zod'
import { LocalFault } from './faults.ts'
import type { Ports } from './server.ts'

const port = (standard: number) => z.coerce.number().int().min(1).max(65_535).default(standard)

const environmentSchema = z
  .object({
    NODE_ENV: z.string().optional(),
    ...securityEnvironment,
    DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
    REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
    KAFKA_BROKERS: z
      .string()
      .regex(/^[^,\s:]+:\d+(,[^,\s:]+:\d+)*$/, 'must be host:port, more of them separated by commas')
      .transform((list) => list.split(','))
      .optional(),
    IRONSYS_POSTGRES_PORT: port(15_432),
    IRONSYS_REDIS_PORT: port(16_379),
    IRONSYS_KAFKA_PORT: port(19_092),
    IRONSYS_KAFKA_CONTROLLER_PORT: port(19_093),
    IRONSYS_SERVERS: z.enum(['auto', 'docker', 'native']).default('auto'),
  })
  .superRefine((values, { addIssue }) => {
    for (const fault of securityFaults(values)) addIssue({ code: 'custom', ...fault })
  })

export interface GivenSecurity {
  readonly kafka: KafkaSecurity
  /** PEM; null: whom Node trusts. */
  readonly redisCa: string | null
}

export interface LocalConfig {
  /** Servers that somebody else runs. */
  readonly given: {
    readonly databaseUrl: string | null
    readonly redisUrl: string | null
    readonly kafkaBrokers: readonly string[] | null
  }
  /** How those are talked to; Postgres' is in its URL. */
  readonly security: GivenSecurity
  /** The ports of `make up`, for the servers that nobody has given. */
  readonly ports: Ports
  /** How the others are run; `auto` is Docker where an engine answers. */
  readonly servers: 'auto' | 'docker' | 'native'
}

/** How a test run's servers are started. The rest of the environment is not for tests: they touch nobody's data. */
export function serversOfTests(): LocalConfig['servers'] {
  return readLocalConfig({ IRONSYS_SERVERS: process.env.IRONSYS_SERVERS }).servers
}

/** Throws a {@link LocalFault} that lists everything that is wrong. An empty variable counts as not set. */
export function readLocalConfig(environment: Readonly<Record<string, string | undefined>>): LocalConfig {
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const parsed = environmentSchema.safeParse(set)
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new LocalFault(`the environment is wrong: ${faults.join('; ')}`)
  }
  const { DATABASE_URL, REDIS_URL, KAFKA_BROKERS, ...own } = parsed.data
  return {
    given: {
      databaseUrl: DATABASE_URL ?? null,
      redisUrl: REDIS_URL ?? null,
      kafkaBrokers: KAFKA_BROKERS ?? null,
    },
    security: { kafka: kafkaSecurity(own), redisCa: own.REDIS_CA_FILE },
    ports: {
      postgres: own.IRONSYS_POSTGRES_PORT,
      redis: own.IRONSYS_REDIS_PORT,
      kafka: own.IRONSYS_KAFKA_PORT,
      kafkaController: own.IRONSYS_KAFKA_CONTROLLER_PORT,
    },
    servers: own.IRONSYS_SERVERS,
  }
}

/** The environment of this process: what the programs that it starts inherit, and where programs are looked for. */
export function inheritedEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env
}
