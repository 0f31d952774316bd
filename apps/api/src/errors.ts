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
  unauthenticated: {
    status: 401,
    title: 'Who asks is not known',
    when: 'There is no token and no API key in `Authorization: Bearer …`, or it is not valid here or has expired: `WWW-Authenticate` says which.',
  },
  forbidden: {
    status: 403,
    title: 'The caller may not do this',
    when: 'The route takes a scope that the token or API key does not have; or the request names another user, which takes the scope `operate`.',
  },
  'user-not-found': {
    status: 404,
    title: 'No such user',
    when: 'Without the scope `operate` there is no user but your own.',
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
  'not-acceptable': {
    status: 406,
    title: 'There is no such form of this',
    when: 'The `Accept` header allows none of the types that this resource has.',
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
  'expectation-failed': {
    status: 417,
    title: 'What the request expects is not known here',
    when: 'The `Expect` header has something else than `100-continue`.',
  },
  'invalid-request': {
    status: 422,
    title: 'The request breaks the rules',
    when: 'A field is missing, unknown, of the wrong type or out of bounds: `errors` says which.',
  },
  'upgrade-required': {
    status: 426,
    title: 'This is a WebSocket',
    when: 'The request does not ask for an upgrade to `websocket`. The same is to be had as Server-Sent Events.',
  },
  'too-many-streams': {
    status: 429,
    title: 'One caller has too many streams',
    when: 'Close one of them, or read the slot with GET.',
  },
  'rate-limited': {
    status: 429,
    title: 'Too many requests',
    when: 'More than the address, the caller or the endpoint may have: `RateLimit` says which. Retry after `Retry-After` seconds; nothing of this request was done.',
  },
  'headers-too-large': {
    status: 431,
    title: 'The headers are too large',
    when: 'The request line and the headers together are more than 16 KiB.',
  },
} as const satisfies Record<string, ProblemSpec>

const rejectionProblems: Readonly<Record<RejectionCode, ProblemSpec>> = {
  'sold-out': {
    status: 409,
    title: 'Not enough units are left',
    when: 'The quantity is more than what is available. Ask for less, or join the waitlist if the slot has one.',
  },
  'slot-not-found': { status: 404, title: 'No such slot', when: 'No slot has this id.' },
  'slot-closed': {
    status: 409,
    title: 'The slot is closed',
    when: 'An operator closed it, or its `sales_close_at` has come. Take another slot; what is held can still be confirmed.',
  },
  'sales-not-open': {
    status: 409,
    title: 'Sales are not open',
    when: "It is before the slot's `sales_open_at`. Ask again from then on.",
  },
  'slot-exists': {
    status: 409,
    title: 'A slot with this id exists and is different',
    when: 'The same id was created before with another body.',
  },
  'capacity-in-use': {
    status: 409,
    title: 'More units are taken than the new capacity has',
    when: 'Capacity and overbooking may not go below what is held and confirmed. Ask for more, or cancel some of it first.',
  },
  'reservation-not-found': {
    status: 404,
    title: 'No such reservation',
    when: 'The writer of its partition knows no reservation of this id.',
  },
  'not-cancellable': {
    status: 409,
    title: 'This cannot be cancelled',
    when: 'The reservation or booking has no units: it was rejected, or it has expired.',
  },
  'not-confirmable': {
    status: 409,
    title: 'This cannot be confirmed',
    when: 'The reservation or booking is not held: it is pending or waitlisted, or it was rejected or cancelled.',
  },
  'hold-expired': {
    status: 409,
    title: 'The hold has expired',
    when: 'The confirmation came at or after `expires_at`. A reservation may ask with `late` for what shall then be done.',
  },
  'refund-required': {
    status: 409,
    title: 'The hold has expired and cannot be had again',
    when: 'What `late` asked for is not possible any more: give back what was paid.',
  },
  'limit-exceeded': {
    status: 409,
    title: 'More units than one user may have',
    when: "With what the user holds, has confirmed and waits for it would be more than the slot's `max_per_user`. Ask for less, or cancel some of it first.",
  },
  'part-of-booking': {
    status: 409,
    title: 'The reservation belongs to a booking',
    when: 'Only its booking (`booking_id`) confirms and cancels it.',
  },
  'booking-not-found': {
    status: 404,
    title: 'No such booking',
    when: 'The writer of its partition knows no booking of this id.',
  },
  'booking-timed-out': {
    status: 409,
    title: 'The slots did not all answer in time',
    when: 'The booking was given up and what it had is released. Try again.',
  },
  'not-over-yet': {
    status: 409,
    title: 'This is not over for long enough',
    when: 'No route answers it: only `./ironsys retention` meets it, and leaves what ended fewer days ago than it was told to keep.',
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
  'auth-unavailable': {
    status: 503,
    title: 'Who asks cannot be found out now',
    when: 'The keys that tokens are checked with, or the store of API keys, cannot be reached; what was checked shortly before still works. Retry after `Retry-After` seconds.',
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
  'config-changed': {
    status: 412,
    title: 'The settings have changed',
    when: '`If-Match` names another version than the newest. Read them again, and decide again.',
  },
  'config-version-not-found': {
    status: 404,
    title: 'No such version of the settings',
    when: 'It was never there or is not kept any more; or there is nothing yet to be rolled back.',
  },
  'config-unreadable': {
    status: 409,
    title: 'These settings are of other software',
    when: 'The version has settings or values that this software does not know. Roll back to one that it knows, or use the software that stored it.',
  },
  'config-unavailable': {
    status: 503,
    title: 'The settings cannot be reached now',
    when: 'What is in force stays so. A change may or may not be stored: look at the version before you repeat it.',
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

export function isProblemCode(text: string): text is ProblemCode {
  return Object.hasOwn(problemTable, text)
}
