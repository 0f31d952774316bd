/** Every problem this API answers: the one table. docs/errors.md lists the same; a test compares. */
import type { RejectionCode } from '@ironsys/contracts'

export interface ProblemSpec {
  readonly status: number
  readonly title: string
  /** When it is answered, and what to do. */
  readonly when: string
}

const requestProblems = {
  'bad-request': {
    status: 400,
    title: 'Not a valid HTTP request',
    when: 'The request line, a header or the length of the body is broken.',
  },
  'malformed-json': {
    status: 400,
    title: 'The body is not valid JSON',
    when: 'The body is empty, is not JSON or not UTF-8, or has a key such as `__proto__` or `constructor.prototype`.',
  },
  'invalid-cursor': {
    status: 400,
    title: 'The cursor is not valid here',
    when: 'It was changed, belongs to another id, caller or log, or its key has been retired. Ask without it.',
  },
  'not-found': {
    status: 404,
    title: 'No such resource',
    when: 'The path is none of this API; see /openapi.json.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'The resource does not have this method',
    when: 'The `Allow` header lists the methods that it has.',
  },
  'request-timeout': {
    status: 408,
    title: 'The request took too long to arrive',
    when: 'The whole request must arrive within 15 seconds.',
  },
  'body-too-large': {
    status: 413,
    title: 'The body is too large',
    when: 'More than 64 KiB, or for a batch more than 6 MiB.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The body must be application/json',
    when: 'The `Content-Type` is missing or is not application/json in UTF-8, or the body is compressed.',
  },
  'invalid-request': {
    status: 422,
    title: 'The request breaks the rules',
    when: 'A field is missing, unknown, of the wrong type or out of bounds: `errors` says which.',
  },
} as const satisfies Record<string, ProblemSpec>

const rejectionProblems: Readonly<Record<RejectionCode, ProblemSpec>> = {
  'sold-out': {
    status: 409,
    title: 'Not enough units are left',
    when: 'The quantity is more than what is available.',
  },
  'slot-not-found': { status: 404, title: 'No such slot', when: 'No slot has this id.' },
  'slot-closed': { status: 409, title: 'The slot is closed', when: 'An operator closed it.' },
  'sales-not-open': {
    status: 409,
    title: 'Sales are not open',
    when: "It is before the slot's `sales_open_at` or after its `sales_close_at`.",
  },
  'slot-exists': {
    status: 409,
    title: 'A slot with this id exists and is different',
    when: 'The same id was created before with another body.',
  },
  'capacity-in-use': {
    status: 409,
    title: 'More units are taken than the new capacity has',
    when: 'Capacity and overbooking may not go below what is held and confirmed.',
  },
  'reservation-not-found': {
    status: 404,
    title: 'No such reservation',
    when: 'The writer of its partition knows no reservation of this id.',
  },
  'not-cancellable': {
    status: 409,
    title: 'The reservation cannot be cancelled',
    when: 'It holds no units: it was rejected.',
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'The idempotency key was used for another request',
    when: 'The same key came with another body. Use a new key for a new request.',
  },
}

const stateProblems = {
  'not-decided-or-unknown': {
    status: 404,
    title: 'Not decided yet, or unknown',
    when: 'No decision is known for this id. With the `cursor` of the 202 the answer is exact.',
  },
  'version-not-reached': {
    status: 412,
    title: 'The slot has not reached this version',
    when: '`min_version` is ahead of what the store knows after a second of waiting.',
  },
  internal: {
    status: 500,
    title: 'Something went wrong here',
    when: 'A fault of this service. Report the `request_id`.',
  },
  overloaded: {
    status: 503,
    title: 'Too much is queued',
    when: 'Nothing was accepted. Retry after `Retry-After` seconds.',
  },
  'log-unavailable': {
    status: 503,
    title: 'Commands cannot be accepted now',
    when: 'The log cannot be reached; nothing was accepted and reads go on. Retry after `Retry-After` seconds.',
  },
  'outcome-unknown': {
    status: 503,
    title: 'It is not known whether the command was accepted',
    when: 'Repeat the same request with the `idempotency_key` of this answer: it takes effect at most once.',
  },
  'reads-unavailable': {
    status: 503,
    title: 'This cannot be read now',
    when: 'The store cannot be reached and nothing usable is cached. Retry after `Retry-After` seconds.',
  },
} as const satisfies Record<string, ProblemSpec>

/** Of the operations port. */
const operationsProblems = {
  'foreign-request': {
    status: 403,
    title: 'Requests of other web pages are refused here',
    when: 'The operations port was asked by a web page of another site, or on loopback under a name that is not loopback.',
  },
  'dead-letter-not-found': {
    status: 404,
    title: 'No such dead letter',
    when: 'No dead letter has this id.',
  },
  'dead-letter-not-open': {
    status: 409,
    title: 'The dead letter is resolved already',
    when: 'It was redriven or discarded before; a command that failed again is a new dead letter.',
  },
  'dead-letter-busy': {
    status: 409,
    title: 'The dead letter is being resolved',
    when: 'Somebody else redrives or discards it at this moment. Look at it again.',
  },
  'dead-letter-not-text': {
    status: 409,
    title: 'The dead letter cannot be redriven',
    when: 'Its record has no value or one that is not UTF-8: no writer will ever read it. Discard it.',
  },
} as const satisfies Record<string, ProblemSpec>

export type ProblemCode =
  | keyof typeof requestProblems
  | keyof typeof rejectionProblems
  | keyof typeof stateProblems
  | keyof typeof operationsProblems

export const problemTable: Readonly<Record<ProblemCode, ProblemSpec>> = {
  ...requestProblems,
  ...rejectionProblems,
  ...stateProblems,
  ...operationsProblems,
}
