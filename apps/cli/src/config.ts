/** The environment as the CLI reads it. Everything has a value that works on a fresh checkout. */
import { sharedKeyBytesMin } from '@ironsys/access'
import { type LocalConfig, LocalFault, readLocalConfig } from '@ironsys/local'
import { z } from 'zod'

const port = (standard: number) => z.coerce.number().int().min(1).max(65_535).default(standard)

const schema = z.object({
  PORT: port(8000),
  API_OPS_PORT: port(9100),
  WORKER_OPS_PORT: port(9101),
  PARTITIONS: z.coerce.number().int().min(1).max(1000).default(12),
  WORKER_GROUP: z.string().min(1).default('ironsys-reservations'),
  ID_KEY: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be 64 hex characters')
    .optional(),
  CURSOR_KEYS: z.string().min(1).optional(),
  JWT_SHARED_KEY: z
    .string()
    .refine(
      (text) => Buffer.byteLength(text) >= sharedKeyBytesMin,
      `must have at least ${sharedKeyBytesMin} bytes`,
    )
    .optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
})

export interface CliConfig {
  readonly local: LocalConfig
  readonly apiPort: number
  readonly apiOpsPort: number
  readonly workerOpsPort: number
  readonly partitionCount: number
  readonly workerGroup: string
  /** Keys that the environment gives; the others are made once and kept in the stack's folder. */
  readonly idKey: string | null
  readonly cursorKeys: string | null
  /** What tokens for development are signed with, and for whom. */
  readonly tokens: {
    readonly sharedKey: string | null
    readonly issuer: string | null
    readonly audience: string | null
  }
}

/** Throws a `LocalFault` that lists everything that is wrong. An empty variable counts as not set. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): CliConfig {
  const local = readLocalConfig(environment)
  const parsed = schema.safeParse(
    Object.fromEntries(Object.entries(environment).filter(([, text]) => text !== '')),
  )
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new LocalFault(`the environment is wrong: ${faults.join('; ')}`)
  }
  const values = parsed.data
  return {
    local,
    apiPort: values.PORT,
    apiOpsPort: values.API_OPS_PORT,
    workerOpsPort: values.WORKER_OPS_PORT,
    partitionCount: values.PARTITIONS,
    workerGroup: values.WORKER_GROUP,
    idKey: values.ID_KEY ?? null,
    cursorKeys: values.CURSOR_KEYS ?? null,
    tokens: {
      sharedKey: values.JWT_SHARED_KEY ?? null,
      issuer: values.JWT_ISSUER ?? null,
      audience: values.JWT_AUDIENCE ?? null,
    },
  }
}

/** The one place where the process's environment is touched. */
export function processEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env
}
