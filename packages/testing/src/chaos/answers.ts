/** From an HTTP answer to what it means: the one place that knows the API's statuses and codes. */
import { z } from 'zod'
import type { Answer, Intent, ReservationRead, SlotRead } from './history.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  /** Parsed JSON; null when it is none. */
  readonly body: unknown
}

const made = z.object({ id: z.string() })
const reservation = z.object({
  id: z.string(),
  status: z.string(),
  quantity: z.int(),
  slot_version: z.int(),
})
const problem = z.object({
  code: z.string(),
  id: z.string().optional(),
  idempotency_key: z.string().optional(),
})
const slot = z.object({ reserved_count: z.int(), capacity: z.int(), version: z.int() })

/** Of an answer that is neither what was asked for nor a problem document. */
export const UNREADABLE = 'unreadable'

/** Both say that nothing was accepted. */
const refusals = new Set(['overloaded', 'log-unavailable'])

export function readCommandAnswer(intent: Intent, answer: HttpAnswer): Answer {
  return answer.status >= 200 && answer.status < 300 ? readSuccess(intent, answer) : readRefusal(answer)
}

function readSuccess({ type }: Intent, { status, body }: HttpAnswer): Answer {
  const subject = made.safeParse(body)
  if (!subject.success) return { type: 'unknown', status, code: UNREADABLE }
  const { id } = subject.data
  if (status === 202) return { type: 'accepted', id, status, code: '' }
  if (type === 'create_slot' || type === 'resize') {
    return { type: 'decided', id, decision: { code: 'ok', reservation: null }, status, code: '' }
  }
  const decided = reservation.safeParse(body)
  if (!decided.success) return { type: 'unknown', status, code: UNREADABLE }
  const { status: state, quantity, slot_version } = decided.data
  const decision = { code: 'ok', reservation: { status: state, quantity, slotVersion: slot_version } }
  return { type: 'decided', id, decision, status, code: '' }
}

function readRefusal({ status, headers, body }: HttpAnswer): Answer {
  const { code, id } = readProblem(body)
  // The edge refuses what it knows to be hopeless without asking the writer: such an answer has no id.
  if (status < 500 && id !== undefined && headers.has('preference-applied')) {
    return { type: 'decided', id, decision: { code, reservation: null }, status, code }
  }
  const nothing = (status >= 400 && status < 500) || refusals.has(code)
  return { type: nothing ? 'refused' : 'unknown', status, code }
}

/** The key that an `outcome-unknown` asks its client to repeat the request with. */
export function readRetryKey(body: unknown): string | null {
  return readProblem(body).idempotency_key ?? null
}

function readProblem(body: unknown): z.infer<typeof problem> {
  const read = problem.safeParse(body)
  return read.success ? read.data : { code: UNREADABLE }
}

type SlotContent = Pick<SlotRead, 'version' | 'reservedUnits' | 'capacityUnits'>

/** Null for anything but a slot with its version. */
export function readSlotAnswer(
  slotId: string,
  { status, headers, body }: HttpAnswer,
): (SlotContent & Pick<SlotRead, 'slotId' | 'epoch'>) | null {
  const epoch = /^W\/"(\d+)\./.exec(headers.get('etag') ?? '')?.[1]
  const content = status === 200 ? readSlotDocument(body) : null
  return epoch === undefined || content === null ? null : { ...content, slotId, epoch: Number(epoch) }
}

/** Null for what is no slot. */
export function readSlotDocument(document: unknown): SlotContent | null {
  const read = slot.safeParse(document)
  if (!read.success) return null
  const { version, reserved_count, capacity } = read.data
  return { version, reservedUnits: reserved_count, capacityUnits: capacity }
}

/** Null while it is undecided. */
export function readReservationAnswer({ status, body }: HttpAnswer): ReservationRead | null {
  if (status !== 200) return null
  const read = z.object({ id: z.string(), status: z.string() }).parse(body)
  return read.status === 'pending' ? null : read
}
