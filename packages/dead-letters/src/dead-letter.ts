/** A dead letter as operators see it. */
import { z } from 'zod'

export const deadLetterStatuses = ['open', 'redriven', 'discarded'] as const
export const deadLetterCodes = ['malformed', 'misrouted', 'data-error'] as const
export type DeadLetterStatus = (typeof deadLetterStatuses)[number]

/** Of a key or a value at most so much is shown. */
export const PREVIEW_BYTES = 4096

/** A column list that makes a row of `dead_letters` readable by {@link deadLetterFromRow}. */
export const deadLetterColumns = `id, topic, partition, "offset", command_id, code, detail, at, status, resolved_at, resolved_by,
  resolution, redriven_partition, redriven_offset, octet_length(value) AS value_bytes`

/** Makes it readable by {@link contentFromRow}. */
export const contentColumns = `octet_length(key) AS key_bytes, substring(key FOR ${PREVIEW_BYTES}) AS key_start,
  octet_length(value) AS value_bytes, substring(value FOR ${PREVIEW_BYTES}) AS value_start`

const time = z.date().transform((date) => date.toISOString())

const letterRow = z.object({
  id: z.coerce.number(),
  topic: z.string(),
  partition: z.int(),
  /** Where the record lies in the log. */
  offset: z.coerce.number(),
  /** Null when it could not be read. */
  command_id: z.string().nullable(),
  code: z.enum(deadLetterCodes),
  detail: z.string(),
  /** Log time. */
  at: time,
  status: z.enum(deadLetterStatuses),
  resolved_at: time.nullable(),
  resolved_by: z.string().nullable(),
  /** The reason of a discard. */
  resolution: z.string().nullable(),
  /** Where a redriven one was appended. */
  redriven_partition: z.int().nullable(),
  redriven_offset: z.coerce.number().nullable(),
  /** Null for a record without a value. */
  value_bytes: z.int().nullable(),
})

/** Times are RFC 3339, UTC. */
export type DeadLetter = z.infer<typeof letterRow>

export function deadLetterFromRow(row: unknown): DeadLetter {
  return letterRow.parse(row)
}

/** The start of what a record holds; `text` where it is UTF-8. */
export interface Preview {
  readonly bytes: number
  readonly truncated: boolean
  readonly encoding: 'utf-8' | 'base64'
  readonly text: string
}

export interface DeadLetterContent {
  readonly key: Preview | null
  readonly value: Preview | null
}

const bytes = z.instanceof(Buffer).nullable()
const contentRow = z.object({
  key_bytes: z.int().nullable(),
  key_start: bytes,
  value_bytes: z.int().nullable(),
  value_start: bytes,
})

export function contentFromRow(row: unknown): DeadLetterContent {
  const { key_bytes, key_start, value_bytes, value_start } = contentRow.parse(row)
  return { key: preview(key_start, key_bytes), value: preview(value_start, value_bytes) }
}

/** The bytes as text, or null when they are not UTF-8. With `cut`, half a character at the end is left out. */
export function textOf(value: Buffer, cut = false): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value, { stream: cut })
  } catch {
    return null
  }
}

function preview(start: Buffer | null, size: number | null): Preview | null {
  if (start === null || size === null) return null
  const truncated = size > start.length
  const text = textOf(start, truncated)
  return text === null
    ? { bytes: size, truncated, encoding: 'base64', text: start.toString('base64') }
    : { bytes: size, truncated, encoding: 'utf-8', text }
}
