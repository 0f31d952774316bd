/**
 * Commands for one slot, in few words. A reservation is named by who wants it, and `ann/2` is another one of ann's.
 * Fields are named as on the wire; each command is checked against the wire's schema.
 */
import {
  bookingIdSchema,
  type CancelCommand,
  type ConfirmCommand,
  type CreateSlotCommand,
  cancelCommandSchema,
  confirmCommandSchema,
  createSlotCommandSchema,
  erasePersonCommandSchema,
  followUpId,
  mintId,
  type ReservationCommand,
  type ReserveCommand,
  reservationIdSchema,
  reserveCommandSchema,
  retireSlotCommandSchema,
  slotIdSchema,
  updateSlotCommandSchema,
  wakeSlotCommandSchema,
} from '@ironsys/contracts'

export const slotId = slotIdSchema.parse('11111111-1111-4111-8111-111111111111')
export const bookingId = bookingIdSchema.parse('bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb')
export const otherBookingId = bookingIdSchema.parse('cccccccc-cccc-4ccc-8ccc-cccccccccccc')
/** Second 0. */
export const noonMs = Date.parse('2026-06-01T12:00:00.000Z')
export const DAY_SECONDS = 24 * 3600

export const msAt = (seconds: number): number => noonMs + Math.round(seconds * 1000)
export const timeAt = (seconds: number): string => new Date(msAt(seconds)).toISOString()
export const hash = (letter: string): string => letter.repeat(32)

const labels = new Map<string, string>()
const slotPrefix = mintId(slotId, 0).slice(0, 8)

/** The same for the same label, and one that belongs to the slot. */
export function idOf(label: string) {
  const id = slotPrefix + followUpId(label).slice(8)
  labels.set(id, label)
  return reservationIdSchema.parse(id)
}

export function labelOf(id: string): string {
  return labels.get(id) ?? id
}

const userOf = (label: string): string => label.split('/')[0] ?? label
const command = <T extends string>(type: T) => ({ v: 2, id: mintId(slotId, noonMs), type }) as const

/** A slot of ten units whose day is a month ahead, unless said otherwise. */
export function slot(fields: object = {}): CreateSlotCommand {
  return createSlotCommandSchema.parse({
    ...command('create_slot'),
    id: slotId,
    name: 'Morning',
    start_time: timeAt(30 * DAY_SECONDS),
    end_time: timeAt(30 * DAY_SECONDS + 3600),
    capacity: 10,
    overbooking_bps: 0,
    sales_open_at: null,
    sales_close_at: null,
    body_hash: hash('a'),
    ...fields,
  })
}

/** Of one unit, in the slot's own mode, unless said otherwise. */
export function reserve(label: string, fields: object = {}): ReserveCommand {
  return reserveCommandSchema.parse({
    ...command('reserve'),
    id: idOf(label),
    slot_id: slotId,
    user_id: userOf(label),
    quantity: 1,
    ...fields,
  })
}

export const buy = (label: string, quantity = 1, fields: object = {}) =>
  reserve(label, { quantity, mode: 'confirm', ...fields })
export const hold = (label: string, quantity = 1, fields: object = {}) =>
  reserve(label, { quantity, mode: 'hold', ...fields })
/** As {@link buy}, or into the line. */
export const join = (label: string, quantity = 1, fields: object = {}) =>
  buy(label, quantity, { join_waitlist: true, ...fields })
/** As a booking's coordinator asks. */
export const book = (label: string, quantity = 1, fields: object = {}) =>
  hold(label, quantity, { booking_id: bookingId, ...fields })

export function confirm(label: string, fields: object = {}): ConfirmCommand {
  return confirmCommandSchema.parse({ ...command('confirm'), reservation_id: idOf(label), ...fields })
}

export function cancel(label: string, fields: object = {}): CancelCommand {
  return cancelCommandSchema.parse({ ...command('cancel'), reservation_id: idOf(label), ...fields })
}

export function update(fields: object): ReservationCommand {
  return updateSlotCommandSchema.parse({ ...command('update_slot'), slot_id: slotId, ...fields })
}

export function wake(): ReservationCommand {
  return wakeSlotCommandSchema.parse({ ...command('wake_slot'), slot_id: slotId })
}

export function erase(
  user: string,
  reservations: readonly string[],
  pseudonym = 'erased',
): ReservationCommand {
  const fields = { slot_id: slotId, user_id: user, pseudonym, reservation_ids: reservations.map(idOf) }
  return erasePersonCommandSchema.parse({ ...command('erase_person'), ...fields })
}

export function retire(keepDays = 8): ReservationCommand {
  return retireSlotCommandSchema.parse({ ...command('retire_slot'), slot_id: slotId, keep_days: keepDays })
}

/** `count` commands of as many people: prefix-0, prefix-1, … */
export function many<C>(count: number, prefix: string, make: (label: string) => C): readonly C[] {
  return Array.from({ length: count }, (_, index) => make(`${prefix}-${index}`))
}
