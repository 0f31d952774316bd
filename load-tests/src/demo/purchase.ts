/** One buyer's course: the request, perhaps its repeat and its cancellation, and the outcome. */
import {
  acceptedCommandSchema,
  acceptedReservationSchema,
  type ReservationDocument,
  reservationAnswerSchema,
} from '@ironsys/contracts'
import type { HttpAnswer, HttpRequest } from '../http-client.ts'
import type { Buyer } from './buyers.ts'
import { checkPatience, type Persistence, sendUntilAnswered } from './persistent.ts'
import { progressed, type Tally } from './tally.ts'

export interface Accepted {
  readonly buyer: Buyer
  readonly id: string
  readonly cursor: string
  readonly sentMs: number
  readonly acceptMs: number
  /** The id that the repeat got; null without a repeat. */
  readonly repeatId: string | null
  readonly cancelAccepted: boolean
}

export interface Purchase extends Accepted {
  /** Null when the system gave the command up (`failed`). */
  readonly outcome: ReservationDocument | null
  /** From the first request to the known outcome; null for those who cancel: they wait for two decisions. */
  readonly decisionMs: number | null
}

/** An answer that the contract does not have for this request. */
export interface Surprise {
  readonly surprise: string
}

const WAIT_SECONDS = 20

/** Sends the reservation and returns when it has its 202. */
export async function accept(how: Persistence, buyer: Buyer): Promise<Accepted | Surprise> {
  const request: HttpRequest = {
    method: 'POST',
    path: '/reservations',
    headers: { 'idempotency-key': buyer.key },
    body: { slot_id: buyer.slotId, user_id: buyer.userId, quantity: buyer.quantity },
  }
  const sentMs = performance.now()
  const repeat = buyer.impatient ? sendUntilAnswered(how, request) : null
  const [first, second] = await Promise.all([timed(sendUntilAnswered(how, request)), repeat])
  const answer = acceptedReservationSchema.safeParse(first.answer.body)
  if (first.answer.status !== 202 || !answer.success) return surprising('POST /reservations', first.answer)
  const { id, cursor } = answer.data
  how.tally.accepted++
  progressed(how.tally)
  const repeatId = second === null ? null : idOf(second)
  if (second !== null) how.tally.repeats++
  const cancelled = buyer.cancels ? await cancel(how, buyer, id) : null
  if (cancelled !== null && 'surprise' in cancelled) return cancelled
  return {
    buyer,
    id,
    cursor: cancelled?.cursor ?? cursor,
    sentMs,
    acceptMs: first.atMs - sentMs,
    repeatId,
    cancelAccepted: cancelled !== null,
  }
}

/** Waits until the outcome is known, however long the worker is away. */
export async function awaitOutcome(how: Persistence, accepted: Accepted): Promise<Purchase | Surprise> {
  const { id, cursor, sentMs, cancelAccepted } = accepted
  for (;;) {
    const answer = await sendUntilAnswered(how, {
      method: 'GET',
      path: `/reservations/${id}?wait=${WAIT_SECONDS}&cursor=${encodeURIComponent(cursor)}`,
      timeoutMs: (WAIT_SECONDS + 10) * 1000,
    })
    const read = reservationAnswerSchema.safeParse(answer.body)
    if (answer.status !== 200 || !read.success) return surprising('GET /reservations/:id', answer)
    const known = read.data
    if (known.status === 'failed') return settled(how.tally, { ...accepted, outcome: null, decisionMs: null })
    if ('slot_id' in known && known.queue === undefined) {
      const decisionMs = cancelAccepted ? null : performance.now() - sentMs
      return settled(how.tally, { ...accepted, outcome: known, decisionMs })
    }
    checkPatience(how, `reservation ${id} has no outcome`)
  }
}

async function cancel(how: Persistence, buyer: Buyer, id: string): Promise<{ cursor: string } | Surprise> {
  const answer = await sendUntilAnswered(how, {
    method: 'DELETE',
    path: `/reservations/${id}`,
    headers: { 'idempotency-key': `${buyer.key}-cancel` },
  })
  const accepted = acceptedCommandSchema.safeParse(answer.body)
  if (answer.status === 202 && accepted.success) return { cursor: accepted.data.cursor }
  return surprising('DELETE /reservations/:id', answer)
}

function settled(tally: Tally, purchase: Purchase): Purchase {
  tally.decided++
  tally.lastDecisionMs = performance.now()
  progressed(tally)
  if (purchase.outcome !== null) tally[purchase.outcome.status]++
  return purchase
}

async function timed(answer: Promise<HttpAnswer>): Promise<{ answer: HttpAnswer; atMs: number }> {
  return { answer: await answer, atMs: performance.now() }
}

function idOf({ body }: HttpAnswer): string {
  return typeof body === 'object' && body !== null && 'id' in body ? String(body.id) : 'none'
}

function surprising(request: string, { status, body }: HttpAnswer): Surprise {
  return { surprise: `${request} answered ${status}: ${JSON.stringify(body)?.slice(0, 300)}` }
}
