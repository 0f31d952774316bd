/** What a record of the log is, as whoever wrote it knows. */
export type Meaning =
  | { readonly kind: 'command'; readonly command: ModelCommand }
  /** Nobody can read it, or it lies in a partition that is not its own. */
  | { readonly kind: 'poison'; readonly code: 'malformed' | 'misrouted' }

export type Late = 'reject' | 'rehold' | 'waitlist'

/** Times are Unix milliseconds. */
export type ModelCommand =
  | {
      readonly type: 'create_slot'
      readonly id: string
      readonly slotId: string
      readonly capacity: number
      readonly overbookingBps: number
      readonly holdTtlMs: number | null
      readonly maxPerUser: number | null
      readonly hasWaitlist: boolean
      readonly salesOpenMs: number | null
      readonly salesCloseMs: number | null
      readonly endMs: number
      readonly hash: string
    }
  | {
      readonly type: 'update_slot'
      readonly id: string
      readonly slotId: string
      readonly capacity: number | null
      readonly overbookingBps: number | null
      readonly status: 'open' | 'closed' | null
      readonly hash: string
    }
  | {
      readonly type: 'reserve'
      readonly id: string
      readonly slotId: string
      readonly user: string
      readonly quantity: number
      readonly mode: 'hold' | 'confirm' | null
      readonly holdTtlMs: number | null
      readonly joinsWaitlist: boolean
      readonly bookingId: string | null
      readonly hash: string | null
      /** The database refuses what it leads to. */
      readonly refused: boolean
    }
  | {
      readonly type: 'confirm'
      readonly id: string
      readonly reservationId: string
      readonly late: Late | null
      readonly caller: string | null
      readonly bookingId: string | null
    }
  | {
      readonly type: 'cancel'
      readonly id: string
      readonly reservationId: string
      readonly caller: string | null
      readonly bookingId: string | null
    }
  | { readonly type: 'wake_slot'; readonly id: string; readonly slotId: string }
  | {
      readonly type: 'erase_person'
      readonly id: string
      readonly slotId: string
      readonly reservationIds: readonly string[]
      readonly user: string
      readonly pseudonym: string
    }
  | { readonly type: 'retire_slot'; readonly id: string; readonly slotId: string; readonly keepMs: number }

export type CommandOf<T extends ModelCommand['type']> = Extract<ModelCommand, { readonly type: T }>

/** The reservation that a command is about: if its hold is over, that comes first. */
export function reservationNamedBy(command: ModelCommand): string | null {
  if (command.type === 'reserve') return command.id
  return command.type === 'confirm' || command.type === 'cancel' ? command.reservationId : null
}
