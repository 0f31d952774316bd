/**
 * Clients that behave as the documentation tells them to: where nobody answers, or the outcome is not known, they send
 * the same request under the same key again, with backoff, up to a deadline. What has no key is not sent again, except
 * with the key that an `outcome-unknown` hands out, or where the answer says that nothing was accepted.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  type HttpAnswer,
  readCommandAnswer,
  readDocumentAnswer,
  readRetryKey,
  readSlotAnswer,
} from './answers.ts'
import type { Answer, Intent, Operation, Phase } from './history.ts'
import type { Recorder } from './recorder.ts'
import { markerOf, type Request } from './workload.ts'

export const clientLimits = {
  /** An attempt that is silent for so long counts as unanswered; `Prefer: wait` asks for less. */
  attemptMs: 12_000,
  waitSeconds: 8,
  /** After this an operation is given up, its outcome unknown. */
  operationMs: 60_000,
  backoffFirstMs: 100,
  backoffMaxMs: 1000,
} as const

/** One API process in one of its lives. */
export interface Target {
  readonly life: string
  readonly url: string
}

/** Where the next request goes; null when nobody is ready. */
export type Route = () => Target | null

export interface ClientDeps {
  readonly route: Route
  readonly recorder: Recorder
  readonly phase: Phase
  /** A full picture of each answer, for whoever measures. Must not throw. */
  readonly answered: (answer: Answer, sentMs: number, answeredMs: number) => void
}

/** Sends one request to its end, and writes down what came of it. Never throws for what the system did. */
export async function perform(request: Request, deps: ClientDeps): Promise<void> {
  switch (request.type) {
    case 'command': {
      const operation = deps.recorder.begin(deps.phase, request.intent, request.key)
      await send(operation, request.waits, deps)
      deps.recorder.ended(operation)
      return
    }
    case 'repeat': {
      const earlier = deps.phase === 'load' ? deps.recorder.keyedBefore(request.share) : null
      if (earlier !== null) await send(earlier, false, deps)
      return
    }
    case 'read_slot':
    case 'read_document':
      return read(request, deps)
  }
}

async function send(
  operation: Operation & { readonly answers: Answer[] },
  waits: boolean,
  deps: ClientDeps,
): Promise<void> {
  const { intent } = operation
  const untilMs = Date.now() + clientLimits.operationMs
  let { key } = operation
  let backoffMs: number = clientLimits.backoffFirstMs
  for (;;) {
    const sentMs = Date.now()
    const { answer, retryKey } = await attempt(intent, key, waits, deps.route())
    operation.answers.push(answer)
    deps.answered(answer, sentMs, Date.now())
    key ??= retryKey
    const again = deps.phase === 'load' && mayRepeat(intent, key, answer)
    if (!again || Date.now() + backoffMs > untilMs) return
    await delay(backoffMs)
    backoffMs = Math.min(backoffMs * 2, clientLimits.backoffMaxMs)
  }
}

function mayRepeat(intent: Intent, key: string | null, answer: Answer): boolean {
  switch (answer.type) {
    case 'accepted':
    case 'decided':
      return false
    case 'refused':
      return answer.status === 503
    case 'unknown':
      // What is asked of something that is there is idempotent by what it names.
      return key !== null || markerOf(intent) === null
  }
}

interface Attempt {
  readonly answer: Answer
  readonly retryKey: string | null
}

async function attempt(
  intent: Intent,
  key: string | null,
  waits: boolean,
  target: Target | null,
): Promise<Attempt> {
  const nobody = (code: string): Attempt => ({
    answer: { type: 'unknown', status: 0, code },
    retryKey: null,
  })
  if (target === null) return nobody('no instance is ready')
  const { method, path, body } = wireOf(intent)
  const headers = {
    ...(body === null ? {} : { 'content-type': 'application/json' }),
    ...(key === null ? {} : { 'idempotency-key': key }),
    ...(waits ? { prefer: `wait=${clientLimits.waitSeconds}` } : {}),
  }
  let answered: HttpAnswer
  try {
    answered = await call(`${target.url}${path}`, { method, headers, body: body && JSON.stringify(body) })
  } catch (error) {
    return nobody(`${target.life}: ${reasonOf(error)}`)
  }
  return { answer: readCommandAnswer(intent, answered), retryKey: readRetryKey(answered.body) }
}

interface Wire {
  readonly method: string
  readonly path: string
  readonly body: object | null
}

function wireOf(intent: Intent): Wire {
  switch (intent.type) {
    case 'create_slot':
      return { method: 'POST', path: '/slots', body: slotBody(intent) }
    case 'update_slot': {
      const { name, change } = intent
      return { method: 'PATCH', path: `/slots/${intent.slotId}`, body: { name, ...change } }
    }
    case 'reserve': {
      const { slotId, userId, quantity, holdTtlSeconds, joinWaitlist, name } = intent
      const what = { slot_id: slotId, user_id: userId, quantity, join_waitlist: joinWaitlist }
      const body = { ...what, ...modeFields(holdTtlSeconds), metadata: { request: name } }
      return { method: 'POST', path: '/reservations', body }
    }
    case 'confirm': {
      const { reservationId, late } = intent
      return {
        method: 'POST',
        path: `/reservations/${reservationId}/confirm`,
        body: late === null ? {} : { late },
      }
    }
    case 'cancel':
      return { method: 'DELETE', path: `/reservations/${intent.reservationId}`, body: null }
    case 'book': {
      const { userId, holdTtlSeconds } = intent
      const items = intent.items.map(({ slotId, quantity }) => ({ slot_id: slotId, quantity }))
      const body = { user_id: userId, items, ...modeFields(holdTtlSeconds) }
      return { method: 'POST', path: '/bookings', body }
    }
    case 'confirm_booking':
      return { method: 'POST', path: `/bookings/${intent.bookingId}/confirm`, body: {} }
    case 'cancel_booking':
      return { method: 'DELETE', path: `/bookings/${intent.bookingId}`, body: null }
  }
}

function slotBody({ name, rules }: Extract<Intent, { type: 'create_slot' }>): object {
  const { capacity, holdTtlSeconds, maxPerUser, waitlist } = rules
  return {
    name,
    capacity,
    waitlist,
    hold_ttl_seconds: holdTtlSeconds,
    max_per_user: maxPerUser,
    start_time: '2040-01-01T09:00:00Z',
    end_time: '2040-01-01T10:00:00Z',
  }
}

function modeFields(holdTtlSeconds: number | null): object {
  return holdTtlSeconds === null ? { mode: 'confirm' } : { mode: 'hold', hold_ttl_seconds: holdTtlSeconds }
}

/** A read that fails is simply not made: an outage may cost reads, but not make them wrong. */
async function read(
  request: Extract<Request, { type: 'read_slot' | 'read_document' }>,
  { route, recorder }: ClientDeps,
): Promise<void> {
  const target = route()
  if (target === null) return
  const path = request.type === 'read_slot' ? `/slots/${request.slotId}` : `/${request.of}s/${request.id}`
  const sentMs = Date.now()
  let answered: HttpAnswer
  try {
    answered = await call(`${target.url}${path}`, { method: 'GET' })
  } catch {
    return
  }
  if (request.type === 'read_slot') {
    const slot = readSlotAnswer(request.slotId, answered)
    if (slot !== null) recorder.slotRead({ ...slot, life: target.life, sentMs, answeredMs: Date.now() })
  } else {
    const document = readDocumentAnswer(request.of, answered)
    if (document !== null) recorder.documentRead(document)
  }
}

/** Connections are kept alive by Node's own pool. Throws when nobody answers in time. */
export async function call(url: string, init: RequestInit): Promise<HttpAnswer> {
  const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(clientLimits.attemptMs) })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: jsonOf(text) }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** fetch hides why behind "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message
}
