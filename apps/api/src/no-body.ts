/** Answers without a body where GET has one. */
import { Readable } from 'node:stream'

/**
 * What to send to a HEAD when the length of GET's body is not known here. Fastify takes nothing for a body of no bytes and says
 * `content-length: 0`, which GET would not (RFC 9110 §8.6); of a stream it says no length, and never reads it.
 */
export function bodyOfUnknownLength(): Readable {
  return Readable.from([])
}
