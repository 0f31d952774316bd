/** From a record of the log to a command. Never throws: what cannot be read is said to be so. */
import {
  COMMAND_SCHEMA_VERSION,
  commandIdSchema,
  metadataFault,
  type ReservationCommand,
  reservationCommandSchema,
  routingHash,
  routingHashOfId,
} from '@ironsys/contracts'
import type { Unreadable } from '@ironsys/engine'
import { z } from 'zod'

const versionSchema = z.object({ v: z.int() })
const idSchema = z.object({ id: commandIdSchema })

export function parseCommand(value: Buffer | null): ReservationCommand | Unreadable {
  if (value === null) return unreadable('an empty record', null)
  let json: unknown
  try {
    json = JSON.parse(value.toString('utf8'))
  } catch {
    return unreadable('not JSON', null)
  }
  const parsed = reservationCommandSchema.safeParse(json)
  if (!parsed.success) return explain(json, parsed.error)
  const command = parsed.data
  if ('metadata' in command && command.metadata !== undefined) {
    const fault = metadataFault(command.metadata)
    if (fault !== null) return unreadable(`metadata ${fault}`, command.id)
  }
  const stranger = idsAtSlot(command).find((id) => routingHashOfId(id) !== slotHash(command))
  if (stranger !== undefined)
    return unreadable(`the id ${stranger} does not carry the hash of its slot id`, command.id)
  return command
}

/** The reservations that a command says lie at its slot. */
function idsAtSlot(command: ReservationCommand): readonly string[] {
  if (command.type === 'reserve') return [command.id]
  return command.type === 'erase_person' ? command.reservation_ids : []
}

function slotHash(command: ReservationCommand): number | null {
  return 'slot_id' in command ? routingHash(command.slot_id) : null
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
