/** What a record of the log has to be to be a command about a slot or a reservation. */
import {
  metadataFault,
  type ReservationCommand,
  readCommand,
  reservationCommandSchema,
  routingHash,
  routingHashOfId,
} from '@ironsys/contracts'
import type { Unreadable } from '@ironsys/engine'

/** Never throws. */
export function parseCommand(value: Buffer | null): ReservationCommand | Unreadable {
  return readCommand(reservationCommandSchema, value, faultOf)
}

function faultOf(command: ReservationCommand): string | null {
  if ('metadata' in command && command.metadata !== undefined) {
    const fault = metadataFault(command.metadata)
    if (fault !== null) return `metadata ${fault}`
  }
  const stranger = idsAtSlot(command).find((id) => routingHashOfId(id) !== slotHash(command))
  return stranger === undefined ? null : `the id ${stranger} does not carry the hash of its slot id`
}

/** The reservations that a command says lie at its slot. */
function idsAtSlot(command: ReservationCommand): readonly string[] {
  if (command.type === 'reserve') return [command.id]
  return command.type === 'erase_person' ? command.reservation_ids : []
}

function slotHash(command: ReservationCommand): number | null {
  return 'slot_id' in command ? routingHash(command.slot_id) : null
}
