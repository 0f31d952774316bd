/** The headers of answers as OpenAPI tells of them, and who has which. */
import type { ProblemCode } from './errors.ts'
import type { RequestHeader } from './route-spec.ts'

interface HeaderSpec {
  readonly description: string
  readonly schema: { readonly type: 'string' | 'integer'; readonly examples?: readonly (string | number)[] }
  /** Every answer has it that may have it. */
  readonly required?: true
}

const text = { type: 'string' } as const

export const answerHeaders = {
  Age: {
    description: 'How old the answer may be, in whole seconds.',
    schema: { type: 'integer', examples: [0] },
    required: true,
  },
  'Cache-Control': {
    description:
      'Who may keep the answer, and for how long. What is not public is never kept, nor is a problem.',
    schema: { type: 'string', examples: ['private, no-store'] },
    required: true,
  },
  'Content-Security-Policy': {
    description: 'Nothing of an answer is to be run, shown or framed.',
    schema: text,
    required: true,
  },
  'Cross-Origin-Resource-Policy': {
    description: '`same-origin`: no page of another site embeds it. Who may read it is for CORS to say.',
    schema: text,
    required: true,
  },
  'Content-Disposition': { description: 'Of a file: its name.', schema: text },
  ETag: {
    description: 'The version, for `If-None-Match`: `W/"<epoch>.<version>"`.',
    schema: { type: 'string', examples: ['W/"1.42"'] },
    required: true,
  },
  'Idempotency-Replayed': {
    description:
      '`true`: the same request was accepted before with this `Idempotency-Key`, and nothing was done again. Without the header it may be a repeat nevertheless, of which only the writer knows.',
    schema: { type: 'string', examples: ['true'] },
  },
  Location: {
    description: 'The path of what was asked for.',
    schema: { type: 'string', examples: ['/slots/00000000-0000-4000-8000-000000000001'] },
    required: true,
  },
  'Preference-Applied': {
    description: '`wait`, where the request had it in `Prefer` and the decision was waited for.',
    schema: { type: 'string', examples: ['wait'] },
  },
  RateLimit: {
    description:
      'How much is left of each limit that the request counts for, and after how many seconds there is more (draft-ietf-httpapi-ratelimit-headers). Absent where there is no limit.',
    schema: { type: 'string', examples: ['"ip";r=1999;t=1'] },
  },
  'RateLimit-Policy': {
    description: 'The limits: how much at once, and the seconds in which all of it comes back.',
    schema: { type: 'string', examples: ['"ip";q=2000;w=4'] },
  },
  'Retry-After': {
    description: 'After how many seconds to ask again.',
    schema: { type: 'integer', examples: [1] },
    required: true,
  },
  'Sec-WebSocket-Accept': { description: 'RFC 6455.', schema: text, required: true },
  Upgrade: {
    description: 'What the connection is, or would have to be, upgraded to.',
    schema: { type: 'string', examples: ['websocket'] },
    required: true,
  },
  Vary: {
    description: 'The request headers that the form of the answer depends on.',
    schema: { type: 'string', examples: ['accept'] },
  },
  'WWW-Authenticate': {
    description: 'What is wrong with the credential, or which scope is missing (RFC 6750).',
    schema: { type: 'string', examples: ['Bearer error="invalid_token"'] },
  },
  'X-Accel-Buffering': {
    description: '`no`: tells nginx to pass each event on at once.',
    schema: text,
    required: true,
  },
  'X-Content-Type-Options': { description: '`nosniff`.', schema: text, required: true },
  'X-Request-Id': {
    description:
      "What finds the request in the logs: the request's own `X-Request-Id` where it is 1–128 safe characters, else a new one. Absent only where the request could not be read.",
    schema: text,
  },
} as const satisfies Record<string, HeaderSpec>

export type AnswerHeader = keyof typeof answerHeaders

/** Of all answers but 101. */
export const everyAnswer: readonly AnswerHeader[] = [
  'Cache-Control',
  'Content-Security-Policy',
  'Cross-Origin-Resource-Policy',
  'Vary',
  'X-Content-Type-Options',
  'X-Request-Id',
]

/** Of refusals, and of all answers of routes that write. */
export const limitHeaders: readonly AnswerHeader[] = ['RateLimit', 'RateLimit-Policy']

/** What an answer, also a problem, may say of a request header that the route understands. */
export const answersTo: Readonly<Partial<Record<RequestHeader, AnswerHeader>>> = {
  Accept: 'Vary',
  'Idempotency-Key': 'Idempotency-Replayed',
  Prefer: 'Preference-Applied',
}

export const problemHeaders: Readonly<Partial<Record<ProblemCode, readonly AnswerHeader[]>>> = {
  unauthenticated: ['WWW-Authenticate'],
  forbidden: ['WWW-Authenticate'],
  'auth-unavailable': ['Retry-After'],
  'upgrade-required': ['Upgrade'],
  'too-many-streams': ['Retry-After'],
  'rate-limited': ['Retry-After', ...limitHeaders],
  overloaded: ['Retry-After'],
  'log-unavailable': ['Retry-After'],
  'outcome-unknown': ['Retry-After'],
  'reads-unavailable': ['Retry-After'],
}
