/** From a record of the log to a command. Never throws: what cannot be read is said to be so. */
import {
  type BookCommand,
  type BookingCommand,
  bookingCommandSchema,
  COMMAND_SCHEMA_VERSION,
  commandIdSchema,
  routingHash,
  routingHashOfId,
} from '@ironsys/contracts'
import type { Unreadable } from '@ironsys/engine'
import { z } from 'zod'

const versionSchema = z.object({ v: z.int() })
const idSchema = z.object({ id: commandIdSchema })

export function parseCommand(value: Buffer | null): BookingCommand | Unreadable {
  if (value === null) return unreadable('an empty record', null)
  let json: unknown
  try {
    json = JSON.parse(value.toString('utf8'))
  } catch {
    return unreadable('not JSON', null)
  }
  const parsed = bookingCommandSchema.safeParse(json)
  if (!parsed.success) return explain(json, parsed.error)
  const command = parsed.data
  const fault = command.type === 'book' ? itemsFault(command) : null
  return fault === null ? command : unreadable(fault, command.id)
}

/** What would let a slot be asked twice, or a slot's answer get lost. */
function itemsFault({ items }: BookCommand): string | null {
  if (new Set(items.map((item) => item.slot_id)).size < items.length) return 'two items of one slot'
  if (new Set(items.map((item) => item.reservation_id)).size < items.length) {
    return 'two items with one reservation id'
  }
  const strays = items.filter((item) => routingHashOfId(item.reservation_id) !== routingHash(item.slot_id))
  return strays.length > 0 ? 'a reservation id does not carry the hash of its slot id' : null
}

function explain(json: unknown, error: z.ZodError): Unreadable {
  const version = versionSchema.safeParse(json)
  const id = idSchema.safeParse(json)
  const commandId = id.success ? id.data.id : null
  if (version.success && version.data.v > COMMAND_SCHEMA_VERSION) {
    const detail = `schema version ${version.data.v} is newer than this worker's ${COMMAND_SCHEMA_VERSION}`
    return { unreadable: 'newer-schema', detail, commandId }
  }
  const issue = error.issues[0]
  return unreadable(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`, commandId)
}

function unreadable(detail: string, commandId: string | null): Unreadable {
  return { unreadable: 'malformed', detail, commandId }
}
