/** The place after which the next page begins. Not secret: it says what the page before it said. */
import { ProblemError } from './problem.ts'

/** In the order of a time, then of ids. */
export interface TimePosition {
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string
  readonly id: string
}

const id = '([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})'
const idPattern = new RegExp(`^${id}$`)
const timePattern = new RegExp(`^(\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z) ${id}$`)

export function encodeTimePosition({ time, id }: TimePosition): string {
  return encode(`${time} ${id}`)
}

/** Throws `invalid-cursor`. */
export function decodeTimePosition(cursor: string): TimePosition {
  const [, time, id] = timePattern.exec(decode(cursor)) ?? []
  if (time !== undefined && id !== undefined && isTime(time)) return { time, id }
  throw invalidCursor()
}

/** Postgres knows no 31st of February and no year 0, both of which `Date` reads. */
function isTime(text: string): boolean {
  const ms = Date.parse(text)
  return !Number.isNaN(ms) && new Date(ms).toISOString() === text && !text.startsWith('0000')
}

/** In the order of ids. */
export function encodeIdPosition(id: string): string {
  return encode(id)
}

/** Throws `invalid-cursor`. */
export function decodeIdPosition(cursor: string): string {
  const [id] = idPattern.exec(decode(cursor)) ?? []
  if (id !== undefined) return id
  throw invalidCursor()
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}

function decode(cursor: string): string {
  return Buffer.from(cursor, 'base64url').toString('latin1')
}

export function invalidCursor(): ProblemError {
  const errors = [{ in: 'query', pointer: '/cursor', detail: 'is not the next_cursor of a page' }] as const
  return new ProblemError({ code: 'invalid-cursor', errors })
}
