/** From an HTTP answer to what it means: the one place that knows the API's statuses and codes. */
import { z } from 'zod'
import type { Answer, DocumentRead, Intent, SlotRead, Told } from './history.ts'
import { lifeText } from './lives.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  /** Parsed JSON; null when it is none. */
  readonly body: unknown
}

const made = z.object({ id: z.string(), status: z.string() })
const transitions = z.array(z.object({ status: z.string(), at: z.iso.datetime() }))
const booking = z.object({ id: z.string(), status: z.string(), transitions })
const reservation = booking.extend({ quantity: z.int(), slot_version: z.int() })
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

function readSuccess(intent: Intent, { status, body }: HttpAnswer): Answer {
  const subject = made.safeParse(body)
  if (!subject.success) return { type: 'unknown', status, code: UNREADABLE }
  const { id } = subject.data
  if (subject.data.status === 'pending') return { type: 'accepted', id, status, code: '' }
  const of = subjectOf(intent)
  const document = of === 'slot' ? null : readDocument(of, body)
  if (of !== 'slot' && document === null) return { type: 'unknown', status, code: UNREADABLE }
  return { type: 'decided', id, decision: { code: 'ok', document }, status, code: '' }
}

export function subjectOf({ type }: Intent): 'slot' | 'reservation' | 'booking' {
  switch (type) {
    case 'create_slot':
    case 'update_slot':
      return 'slot'
    case 'reserve':
    case 'confirm':
    case 'cancel':
      return 'reservation'
    case 'book':
    case 'confirm_booking':
    case 'cancel_booking':
      return 'booking'
  }
}

/** Null for anything that is not decided, or no such document. */
function readDocument(of: 'reservation' | 'booking', body: unknown): Told | null {
  const read = (of === 'reservation' ? reservation : booking).safeParse(body)
  if (!read.success) return null
  const { status, transitions } = read.data
  const life = lifeText(transitions.map(({ status, at }) => ({ status, atMs: Date.parse(at) })))
  const units = reservation.safeParse(body)
  if (of === 'booking' || !units.success) return { status, life, quantity: null, slotVersion: null }
  return { status, life, quantity: units.data.quantity, slotVersion: units.data.slot_version }
}

function readRefusal({ status, headers, body }: HttpAnswer): Answer {
  const { code, id } = readProblem(body)
  // The edge refuses what it knows to be hopeless without asking the writer: such an answer has no id.
  if (status < 500 && id !== undefined && headers.has('preference-applied')) {
    return { type: 'decided', id, decision: { code, document: null }, status, code }
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

/** Null while it is undecided, and for an answer that has no document. One that was given up says so. */
export function readDocumentAnswer(
  of: 'reservation' | 'booking',
  { status, body }: HttpAnswer,
): DocumentRead | null {
  if (status !== 200) return null
  const read = made.parse(body)
  if (read.status === 'pending') return null
  const told = readDocument(of, body)
  const { id } = read
  return { id, told: told ?? { status: read.status, life: '', quantity: null, slotVersion: null } }
}
