/** Every decision that a client was told, against what is stored: nothing that was said is taken back. */
import { subjectOf } from './answers.ts'
import { type Check, checkEach, type Evidence } from './evidence.ts'
import type { BookingFact, ReservationFact } from './facts.ts'
import type { Answer, Decision, Intent, Operation, Told } from './history.ts'
import { had, isPast, lifeText, movesOf } from './lives.ts'
import { describe } from './request-checks.ts'

type DecidedAnswer = Extract<Answer, { type: 'decided' }>

export const answerIsDecision: Check = {
  name: 'answer-is-decision',
  promise: 'every decision a client was told, in an answer or by reading, is the stored one or its past',
  run: (evidence) => {
    const { operations, documentReads } = evidence.history
    const told = operations.flatMap((operation) =>
      operation.answers.flatMap((answer) => (answer.type === 'decided' ? [{ operation, answer }] : [])),
    )
    const answers = checkEach(told, ({ operation, answer }) => {
      const fault = contradiction(evidence, operation, answer)
      return fault === null ? [] : [`${describe(operation)}: told ${textOf(answer.decision)}, ${fault}`]
    })
    const reads = checkEach(documentReads, ({ id, told: read }) => {
      const fault = contradictsStored(read, id, evidence)
      return fault === null ? [] : [`${id}: read as ${read.status}, ${fault}`]
    })
    return {
      checked: answers.checked + reads.checked,
      violations: [...answers.violations, ...reads.violations],
    }
  },
}

function contradiction(
  evidence: Evidence,
  { intent }: Operation,
  { id, decision }: DecidedAnswer,
): string | null {
  switch (intent.type) {
    case 'create_slot':
      return decision.code === 'ok' && evidence.slots.has(id) ? null : 'which is not what is stored'
    case 'update_slot': {
      const entries = evidence.ledgerOfName.get(intent.name)?.length ?? 0
      const isRightly = decision.code === 'ok' || intent.mayBeRefused
      return isRightly && entries === (decision.code === 'ok' ? 1 : 0)
        ? null
        : `the ledger has it ${entries} times`
    }
    default: {
      const subjects = subjectOf(intent) === 'booking' ? evidence.bookings : evidence.reservations
      const stored = subjects.get(id)
      if (stored === undefined) return 'stored is nothing'
      if (decision.code !== 'ok') return unfounded(decision.code, intent, stored)
      if (decision.document === null) return 'without a document'
      const fault = contradictsStored(decision.document, id, evidence)
      return fault ?? (answers(decision.document, intent) ? null : 'which is no answer to it')
    }
  }
}

/** What an `ok` to this request leaves. The first answer to a repeat of a create is what has become of it since. */
function answers({ status }: Told, intent: Intent): boolean {
  switch (intent.type) {
    case 'cancel':
    case 'cancel_booking':
      return status === 'cancelled'
    case 'confirm_booking':
      return status === 'confirmed'
    case 'confirm':
      return status === 'confirmed' || (intent.late === 'waitlist' && ['waitlisted', 'held'].includes(status))
    default:
      return true
  }
}

/** Of a refusal what must have been so for it; null where it was. */
function unfounded(code: string, { type }: Intent, stored: ReservationFact | BookingFact): string | null {
  const { life, status, reason } = stored
  if (type === 'reserve' || type === 'book') {
    return status === 'rejected' && reason === code ? null : `stored is ${status} ${reason ?? ''}`
  }
  const wanted = groundsOf(code)
  return had(life, ...wanted) ? null : `stored is ${lifeText(life)}`
}

/** Which statuses explain it. What is asked about was acknowledged before: it is never unknown. */
function groundsOf(code: string): readonly string[] {
  switch (code) {
    case 'hold-expired':
    case 'refund-required':
      return ['expired']
    case 'not-cancellable':
      return ['rejected', 'expired']
    case 'not-confirmable':
      return ['pending', 'waitlisted', 'rejected', 'cancelled']
    default:
      return []
  }
}

function contradictsStored(told: Told, id: string, evidence: Evidence): string | null {
  const { reservations, bookings, ledgerOfReservation } = evidence
  const reservation = reservations.get(id)
  const stored = reservation ?? bookings.get(id)
  if (stored === undefined) return 'stored is nothing'
  const stands = told.life.endsWith(`${told.status}@${told.life.split('@').at(-1)}`)
  if (!stands || !isPast(told.life, stored.life)) return `stored is ${lifeText(stored.life)}`
  if (reservation === undefined || told.status === 'rejected') return null
  if (told.quantity !== reservation.quantity) return `stored is a quantity of ${reservation.quantity}`
  let status = ''
  for (const { type, version } of ledgerOfReservation.get(id) ?? []) {
    status = movesOf(type, status)?.status ?? status
    if (version === told.slotVersion) return status === told.status ? null : `at its version it was ${status}`
  }
  return `the ledger knows nothing of it at version ${told.slotVersion}`
}

function textOf({ code, document }: Decision): string {
  return document === null ? code : `${document.status} at version ${document.slotVersion}`
}
