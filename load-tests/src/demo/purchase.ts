/** One buyer's course: the request, perhaps its repeat and its cancellation, and all that follows until it is over. */
import { setTimeout as delay } from 'node:timers/promises'
import {
  acceptedCommandSchema,
  acceptedReservationSchema,
  type ReservationDocument,
  reservationAnswerSchema,
} from '@ironsys/contracts'
import type { HttpAnswer, HttpRequest } from '../http-client.ts'
import { type Buyer, holdOf } from './buyers.ts'
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
  /** As it is when nothing can become of it any more; null when the system gave the command up (`failed`). */
  readonly outcome: ReservationDocument | null
  /** From the first request to the known decision; null for those who cancel at once: they wait for two. */
  readonly decisionMs: number | null
}

/** An answer that the contract does not have for this request. */
export interface Surprise {
  readonly surprise: string
}

const WAIT_SECONDS = 20
/** How long somebody stays in line, and how often who waits for something looks. */
const IN_LINE_MS = 5000
const LOOK_MS = 500
const HESITATION_MAX_MS = 1500

/** Sends the reservation and returns when it has its 202. */
export async function accept(how: Persistence, buyer: Buyer): Promise<Accepted | Surprise> {
  const request: HttpRequest = {
    method: 'POST',
    path: '/reservations',
    headers: { 'idempotency-key': buyer.key },
    body: {
      slot_id: buyer.slotId,
      user_id: buyer.userId,
      quantity: buyer.quantity,
      join_waitlist: buyer.waits,
      ...holdOf(buyer),
    },
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

type Known = ReservationDocument | 'failed' | Surprise

/** Waits for the decision, and goes on as the buyer does until nothing can become of it any more. */
export async function pursue(how: Persistence, accepted: Accepted): Promise<Purchase | Surprise> {
  const { buyer, id, sentMs } = accepted
  let { cancelAccepted } = accepted
  let known: Known = await decisionOf(how, id, accepted.cursor)
  const decisionMs = cancelAccepted || known === 'failed' ? null : performance.now() - sentMs
  let isLate = buyer.course === 'comes late'
  while (known !== 'failed' && !('surprise' in known)) {
    const { status } = known
    if (status === 'waitlisted') {
      known = await lookWhile(how, id, 'waitlisted', IN_LINE_MS)
      if (!isStill(known, 'waitlisted')) continue
      cancelAccepted = true
      known = await change(how, id, cancel(how, buyer, id))
    } else if (status === 'held' && (isLate || buyer.course === 'forgets')) {
      known = await lookWhile(how, id, 'held', Number.POSITIVE_INFINITY)
    } else if (status === 'held') {
      await delay(Math.random() * HESITATION_MAX_MS)
      known = await change(how, id, confirm(how, buyer, id, {}))
    } else if (status === 'expired' && isLate) {
      isLate = false
      known = await change(how, id, confirm(how, buyer, id, { late: 'rehold' }))
    } else break
  }
  if (known !== 'failed' && 'surprise' in known) return known
  const outcome = known === 'failed' ? null : known
  return settled(how.tally, { ...accepted, cancelAccepted, outcome, decisionMs })
}

function isStill(known: Known, status: string): boolean {
  return known !== 'failed' && 'status' in known && known.status === status
}

/** Waits until the command at the cursor is decided, however long the worker is away. */
async function decisionOf(how: Persistence, id: string, cursor: string): Promise<Known> {
  for (;;) {
    const known = await look(how, id, `?wait=${WAIT_SECONDS}&cursor=${encodeURIComponent(cursor)}`)
    if (known !== 'undecided') return known
    checkPatience(how, `reservation ${id} has no outcome`)
  }
}

/** Until it is something else, or for so long. */
async function lookWhile(how: Persistence, id: string, status: string, forMs: number): Promise<Known> {
  const untilMs = performance.now() + forMs
  how.tally.lingering++
  try {
    for (;;) {
      await delay(LOOK_MS)
      const known = await look(how, id, '')
      if (known === 'undecided') return { surprise: `reservation ${id} is undecided again` }
      if (!isStill(known, status) || performance.now() >= untilMs) return known
      checkPatience(how, `reservation ${id} is ${status} still`)
    }
  } finally {
    how.tally.lingering--
  }
}

async function look(how: Persistence, id: string, query: string): Promise<Known | 'undecided'> {
  const path = `/reservations/${id}${query}`
  const answer = await sendUntilAnswered(how, {
    method: 'GET',
    path,
    timeoutMs: (WAIT_SECONDS + 10) * 1000,
  })
  const read = reservationAnswerSchema.safeParse(answer.body)
  if (answer.status !== 200 || !read.success) return surprising('GET /reservations/:id', answer)
  if (read.data.status === 'failed') return 'failed'
  return 'slot_id' in read.data && read.data.queue === undefined ? read.data : 'undecided'
}

interface ChangeAccepted {
  readonly cursor: string
}

async function change(
  how: Persistence,
  id: string,
  asked: Promise<ChangeAccepted | Surprise>,
): Promise<Known> {
  const answer = await asked
  return 'surprise' in answer ? answer : decisionOf(how, id, answer.cursor)
}

async function confirm(
  how: Persistence,
  { key }: Buyer,
  id: string,
  body: { readonly late?: 'rehold' },
): Promise<ChangeAccepted | Surprise> {
  const path = `/reservations/${id}/confirm`
  const headers = { 'idempotency-key': `${key}-confirm-${body.late ?? ''}` }
  const answer = await sendUntilAnswered(how, { method: 'POST', path, headers, body })
  return acceptedChange('POST /reservations/:id/confirm', answer)
}

async function cancel(how: Persistence, { key }: Buyer, id: string): Promise<ChangeAccepted | Surprise> {
  const headers = { 'idempotency-key': `${key}-cancel` }
  const answer = await sendUntilAnswered(how, { method: 'DELETE', path: `/reservations/${id}`, headers })
  return acceptedChange('DELETE /reservations/:id', answer)
}

function acceptedChange(request: string, answer: HttpAnswer): ChangeAccepted | Surprise {
  const accepted = acceptedCommandSchema.safeParse(answer.body)
  if (answer.status === 202 && accepted.success) return { cursor: accepted.data.cursor }
  return surprising(request, answer)
}

function settled(tally: Tally, purchase: Purchase): Purchase {
  tally.decided++
  tally.lastDecisionMs = performance.now()
  progressed(tally)
  const { outcome } = purchase
  if (outcome !== null && outcome.status !== 'held' && outcome.status !== 'waitlisted') {
    tally[outcome.status]++
  }
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
