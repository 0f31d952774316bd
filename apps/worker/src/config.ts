/** The worker's environment, read once. */
import { isRedisUrlList, type RedisAddress, redisAddress } from '@ironsys/cache'
import { type KafkaSecurity, kafkaSecurity, securityEnvironment, securityFaults } from '@ironsys/connections'
import { z } from 'zod'

const schema = z
  .object({
    NODE_ENV: z.enum(['development', 'production', 'test']).default('development'),
    LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
    DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
    REDIS_URL: z
      .string()
      .refine(isRedisUrlList, 'must be redis://host:port; of a cluster several, with commas'),
    REDIS_CLUSTER: z.enum(['yes', 'no']).default('no'),
    KAFKA_BROKERS: z
      .string()
      .min(1)
      .transform((list) => list.split(',').map((broker) => broker.trim())),
    ...securityEnvironment,
    PARTITIONS: z.coerce.number().int().min(1).max(1000).default(12),
    OPS_HOST: z.string().min(1).default('127.0.0.1'),
    OPS_PORT: z.coerce.number().int().min(0).max(65535).default(9101),
    AUDIT_INTERVAL_MS: z.coerce.number().int().min(0).max(3_600_000).default(1000),
    WORKER_GROUP: z.string().min(1).max(200).default('ironsys-reservations'),
  })
  .superRefine((values, { addIssue }) => {
    for (const fault of securityFaults(values)) addIssue({ code: 'custom', ...fault })
  })
  .refine(({ REDIS_URL, REDIS_CLUSTER }) => REDIS_CLUSTER === 'yes' || !REDIS_URL.includes(','), {
    path: ['REDIS_URL'],
    message: 'names several nodes, which needs REDIS_CLUSTER=yes',
  })

export interface WorkerConfig {
  readonly logLevel: z.infer<typeof schema>['LOG_LEVEL']
  readonly databaseUrl: string
  readonly redis: RedisAddress
  readonly kafkaBrokers: readonly string[]
  readonly kafkaSecurity: KafkaSecurity
  readonly partitions: number
  readonly opsHost: string
  readonly opsPort: number
  readonly group: string
  /** Between two looks of the continuous auditor, milliseconds; null switches it off. */
  readonly auditIntervalMs: number | null
}

/** Throws with a list of everything that is wrong. Values are not shown: some are secrets. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): WorkerConfig {
  const result = schema.safeParse(environment)
  if (!result.success) {
    const faults = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`)
    throw new Error(`the environment is not usable:\n${faults.join('\n')}`)
  }
  const env = result.data
  return {
    logLevel: env.LOG_LEVEL,
    databaseUrl: env.DATABASE_URL,
    redis: redisAddress(env.REDIS_URL, env.REDIS_CLUSTER === 'yes', env.REDIS_CA_FILE),
    kafkaBrokers: env.KAFKA_BROKERS,
    kafkaSecurity: kafkaSecurity(env),
    partitions: env.PARTITIONS,
    opsHost: env.OPS_HOST,
    opsPort: env.OPS_PORT,
    group: env.WORKER_GROUP,
    auditIntervalMs: env.AUDIT_INTERVAL_MS === 0 ? null : env.AUDIT_INTERVAL_MS,
  }
}
