/** Where a record of the log belongs, and what it is about: for what is sent again by hand. */
import { partitionOfId, partitionOfKey, type ReservationCommand } from '@ironsys/contracts'
import { parseCommand } from './parse.ts'

/** The partition that the record's key belongs to; null when it cannot be read as a command. */
export function homePartition(value: Buffer, partitionCount: number): number | null {
  const command = parseCommand(value)
  return 'unreadable' in command ? null : partitionOf(command, partitionCount)
}

/** The slot or reservation that the record is about; null when it cannot be read as a command. */
export function subjectOf(
  value: Buffer,
): { readonly kind: 'slot' | 'reservation'; readonly id: string } | null {
  const command = parseCommand(value)
  return 'unreadable' in command ? null : subjectOfCommand(command)
}

function partitionOf(command: ReservationCommand, partitionCount: number): number {
  switch (command.type) {
    case 'reserve':
    case 'update_slot':
    case 'wake_slot':
    case 'erase_person':
    case 'retire_slot':
      return partitionOfKey(command.slot_id, partitionCount)
    case 'create_slot':
      return partitionOfKey(command.id, partitionCount)
    case 'confirm':
    case 'cancel':
      return partitionOfId(command.reservation_id, partitionCount)
  }
}

function subjectOfCommand(command: ReservationCommand) {
  switch (command.type) {
    case 'reserve':
      return { kind: 'reservation', id: command.id } as const
    case 'confirm':
    case 'cancel':
      return { kind: 'reservation', id: command.reservation_id } as const
    case 'create_slot':
      return { kind: 'slot', id: command.id } as const
    case 'update_slot':
    case 'wake_slot':
    case 'erase_person':
    case 'retire_slot':
      return { kind: 'slot', id: command.slot_id } as const
  }
}
