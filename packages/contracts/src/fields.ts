/** The fields that several requests share. Bounds are the contract's: changing one is an API change. */
import { z } from 'zod'

export const limits = {
  quantityMax: 1_000_000,
  capacityMax: 100_000_000,
  overbookingBpsMax: 10_000,
  batchItemsMax: 1000,
  nameLength: 200,
  metadataBytes: 4096,
  metadataDepth: 8,
  waitSecondsMax: 30,
  pageItemsMax: 100,
  /** A week: what shall be kept longer is confirmed. */
  holdTtlSecondsMax: 7 * 24 * 3600,
  /** Of a hold where neither the request nor the slot says how long it lasts. */
  defaultHoldTtlSeconds: 600,
  /** The same of one that somebody in line is given: who gets it is not looking at a screen. */
  promotedHoldTtlSeconds: 900,
  maxPerUserMax: 1000,
  bookingItemsMax: 20,
  /** Reservations that one command erases. */
  erasedPerCommandMax: 100,
  /** Above the commands' own retention in the log, so that no repeat finds its reservation gone. */
  keepDaysMin: 8,
  keepDaysMax: 36_500,
} as const

/** Lower case on purpose: ids are compared as strings and made into keys. */
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const uuidFault = 'must be a UUID in lower case'

export const slotIdSchema = z
  .string()
  .regex(uuidPattern, uuidFault)
  .brand<'SlotId'>()
  .meta({ format: 'uuid' })
export const reservationIdSchema = z
  .string()
  .regex(uuidPattern, uuidFault)
  .brand<'ReservationId'>()
  .meta({ format: 'uuid' })
export const bookingIdSchema = z
  .string()
  .regex(uuidPattern, uuidFault)
  .brand<'BookingId'>()
  .meta({ format: 'uuid' })
export const commandIdSchema = z.string().regex(uuidPattern, uuidFault).meta({ format: 'uuid' })

export type SlotId = z.infer<typeof slotIdSchema>
export type ReservationId = z.infer<typeof reservationIdSchema>
export type BookingId = z.infer<typeof bookingIdSchema>

/** 1–128 printable characters: no control, format or unassigned character, no lone surrogate. */
export const userIdSchema = z.string().regex(/^\P{C}{1,128}$/u, 'must be 1 to 128 printable characters')
export const nameSchema = z
  .string()
  .regex(
    new RegExp(`^\\P{C}{1,${limits.nameLength}}$`, 'u'),
    `must be 1 to ${limits.nameLength} printable characters`,
  )

/** RFC 3339 with an offset; answers are always UTC with milliseconds. */
export const timeSchema = z.iso.datetime({ offset: true })

export const quantitySchema = z.int().min(1).max(limits.quantityMax)
export const capacitySchema = z.int().min(0).max(limits.capacityMax)
export const holdTtlSchema = z
  .int()
  .min(1)
  .max(limits.holdTtlSecondsMax)
  .meta({
    description:
      'How long a hold lasts, seconds: as the request says, else as the slot says, else ' +
      `${limits.defaultHoldTtlSeconds}, or ${limits.promotedHoldTtlSeconds} when it is given to somebody in line.`,
  })
/** Units that one user may hold, have confirmed and wait for, together. */
export const maxPerUserSchema = z.int().min(1).max(limits.maxPerUserMax)
export const reservationModeSchema = z.enum(['confirm', 'hold'])
/** What to do for a confirmation that comes after the hold has expired. */
export const lateSchema = z.enum(['reject', 'rehold', 'waitlist'])
/** How long something is kept after its end, days. */
export const keepDaysSchema = z.int().min(limits.keepDaysMin).max(limits.keepDaysMax)
export const overbookingSchema = z.int().min(0).max(limits.overbookingBpsMax)

/** A JSON object of at most 4 KiB; its depth, size and characters are checked by {@link metadataFault}. */
export const metadataSchema = z.record(z.string(), z.unknown())

/**
 * What is wrong with a metadata object, or null. Postgres's jsonb takes neither NUL nor lone surrogates, so they are
 * refused here instead of becoming a data error at commit.
 */
export function metadataFault(metadata: Record<string, unknown>): string | null {
  const fault = valueFault(metadata, 1)
  if (fault !== null) return fault
  return Buffer.byteLength(JSON.stringify(metadata)) > limits.metadataBytes
    ? `is larger than ${limits.metadataBytes} bytes of JSON`
    : null
}

function valueFault(value: unknown, depth: number): string | null {
  if (typeof value === 'string') return textFault(value)
  if (typeof value === 'number' && !Number.isFinite(value)) return 'contains a number that is out of range'
  if (typeof value !== 'object' || value === null) return null
  if (depth > limits.metadataDepth) return `is nested deeper than ${limits.metadataDepth} levels`
  for (const [key, inner] of Object.entries(value)) {
    const fault = textFault(key) ?? valueFault(inner, depth + 1)
    if (fault !== null) return fault
  }
  return null
}

function textFault(text: string): string | null {
  if (text.includes('\0')) return 'contains a NUL character'
  return text.isWellFormed() ? null : 'contains a lone surrogate'
}
