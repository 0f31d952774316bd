/** The place after which the next page begins. Not secret: it says what the page before it said. */
import type { PagePosition } from './deps.ts'
import { ProblemError } from './problem.ts'

const positionPattern =
  /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z) ([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/

export function encodePagePosition({ startTime, id }: PagePosition): string {
  return Buffer.from(`${startTime} ${id}`).toString('base64url')
}

/** Throws `invalid-cursor`. */
export function decodePagePosition(cursor: string): PagePosition {
  const [, startTime, id] = positionPattern.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? []
  if (startTime !== undefined && id !== undefined && !Number.isNaN(Date.parse(startTime)))
    return { startTime, id }
  const errors = [{ in: 'query', pointer: '/cursor', detail: 'is not the next_cursor of a page' }] as const
  throw new ProblemError({ code: 'invalid-cursor', errors })
}
