/** What a record of the log has to be to be a command about a booking. */
import {
  type BookCommand,
  type BookingCommand,
  bookingCommandSchema,
  readCommand,
  routingHash,
  routingHashOfId,
} from '@ironsys/contracts'
import type { Unreadable } from '@ironsys/engine'

/** Never throws. */
export function parseCommand(value: Buffer | null): BookingCommand | Unreadable {
  return readCommand(bookingCommandSchema, value, (command) =>
    command.type === 'book' ? itemsFault(command) : null,
  )
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
