/** Where a record of the log belongs, and what it is about: for what is sent again by hand. */
import { type BookingCommand, type BookingId, partitionOfKey } from '@ironsys/contracts'
import { parseCommand } from './parse.ts'

/** The partition that the record's key belongs to; null when it cannot be read as a command. */
export function homePartition(value: Buffer, partitionCount: number): number | null {
  const subject = subjectOf(value)
  return subject === null ? null : partitionOfKey(subject.id, partitionCount)
}

/** The booking that the record is about; null when it cannot be read as a command. */
export function subjectOf(value: Buffer): { readonly kind: 'booking'; readonly id: BookingId } | null {
  const command = parseCommand(value)
  return 'unreadable' in command ? null : { kind: 'booking', id: bookingIdOf(command) }
}

/** The key of every command. */
export function bookingIdOf(command: BookingCommand): BookingId {
  return command.type === 'book' ? command.id : command.booking_id
}
