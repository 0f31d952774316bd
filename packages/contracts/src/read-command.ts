/** From a record of the log to a command: the same for every topic. */
import { z } from 'zod'
import { COMMAND_SCHEMA_VERSION } from './commands.ts'
import { commandIdSchema } from './fields.ts'

/** Why a record is no command; `Unreadable` of packages/engine. */
export interface UnreadableRecord {
  readonly unreadable: 'malformed' | 'newer-schema'
  readonly detail: string
  /** Null where not even the id can be read. */
  readonly commandId: string | null
}

const versionSchema = z.object({ v: z.int() })
const idSchema = z.object({ id: commandIdSchema })

/**
 * Never throws: what cannot be read is said to be so. `faultOf` says what is wrong with a command beyond its schema, or
 * null.
 */
export function readCommand<C extends { readonly id: string }>(
  schema: z.ZodType<C>,
  value: Buffer | null,
  faultOf: (command: C) => string | null,
): C | UnreadableRecord {
  if (value === null) return malformed('an empty record', null)
  let json: unknown
  try {
    json = JSON.parse(value.toString('utf8'))
  } catch {
    return malformed('not JSON', null)
  }
  const parsed = schema.safeParse(json)
  if (!parsed.success) return explain(json, parsed.error)
  const fault = faultOf(parsed.data)
  return fault === null ? parsed.data : malformed(fault, parsed.data.id)
}

function explain(json: unknown, error: z.ZodError): UnreadableRecord {
  const version = versionSchema.safeParse(json)
  const id = idSchema.safeParse(json)
  const commandId = id.success ? id.data.id : null
  if (version.success && version.data.v > COMMAND_SCHEMA_VERSION) {
    const detail = `schema version ${version.data.v} is newer than this worker's ${COMMAND_SCHEMA_VERSION}`
    return { unreadable: 'newer-schema', detail, commandId }
  }
  const issue = error.issues[0]
  return malformed(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`, commandId)
}

function malformed(detail: string, commandId: string | null): UnreadableRecord {
  return { unreadable: 'malformed', detail, commandId }
}
