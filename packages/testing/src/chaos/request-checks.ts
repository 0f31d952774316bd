/** What clients were told, against what is stored. */
import { UNREADABLE } from './answers.ts'
import { type Check, checkEach, type Evidence } from './evidence.ts'
import type { ReservationFact } from './facts.ts'
import { type Answer, type Decision, idOf, knowledgeOf, type Operation } from './history.ts'

export const acceptedIsDecided: Check = {
  name: 'accepted-is-decided',
  promise: 'each request that got its 202 has been decided, with a status that fits it',
  run: (evidence) =>
    checkEach(
      evidence.history.operations.filter((operation) => knowledgeOf(operation) === 'taken'),
      (operation) => {
        const fault = undecided(evidence, operation)
        return fault === null ? [] : [`${describe(operation)}: ${fault}`]
      },
    ),
}

function undecided(evidence: Evidence, operation: Operation): string | null {
  const { intent } = operation
  const id = idOf(operation) ?? ''
  switch (intent.type) {
    case 'reserve':
      return evidence.reservations.has(id) ? null : 'accepted, and lost: no such row'
    case 'create_slot':
      return evidence.slots.has(id) ? null : 'accepted, and lost: no such slot'
    case 'cancel': {
      const status = evidence.reservations.get(intent.reservationId)?.status
      return status === 'cancelled' || status === 'rejected' ? null : `accepted, but it is ${status}`
    }
    case 'resize':
      // One that may shrink the slot may have been refused: then there is no entry.
      return !intent.alwaysFits || evidence.ledgerOfName.has(intent.name)
        ? null
        : 'accepted, and lost: no entry in the ledger'
  }
}

export const oneEffect: Check = {
  name: 'one-effect',
  promise: 'a request has one id and at most one effect, however often it was sent',
  run: (evidence) =>
    checkEach(evidence.history.operations, (operation) => {
      const ids = new Set(operation.answers.flatMap((answer) => ('id' in answer ? [answer.id] : [])))
      const effects = effectsOf(evidence, operation)
      const [effect] = effects
      const told = idOf(operation)
      return [
        ...(ids.size > 1 ? [`${describe(operation)}: its answers name ${[...ids].join(' and ')}`] : []),
        ...(effects.length > 1 ? [`${describe(operation)}: took effect as ${effects.join(' and ')}`] : []),
        ...(told !== null && effect !== undefined && effect !== told
          ? [`${describe(operation)}: took effect as ${effect}`]
          : []),
      ]
    }),
}

export const answersAreDocumented: Check = {
  name: 'answers-are-documented',
  promise: 'whatever fails, nobody gets an internal error or an answer that is none',
  run: ({ history }) =>
    checkEach(history.operations, (operation) =>
      operation.answers
        .filter(
          ({ status, code }) => (status >= 500 && status !== 503) || (status > 0 && code === UNREADABLE),
        )
        .map(({ status, code }) => `${describe(operation)}: ${status} ${code}`),
    ),
}

export const refusedHasNoEffect: Check = {
  name: 'refused-has-no-effect',
  promise: 'what was refused with "nothing was accepted" has left nothing',
  run: (evidence) =>
    checkEach(
      evidence.history.operations.filter((operation) => knowledgeOf(operation) === 'refused'),
      (operation) =>
        effectsOf(evidence, operation).map(
          (effect) => `${describe(operation)}: refused, yet there is ${effect}`,
        ),
    ),
}

/** The ids of what an operation made, found by its marker. A cancellation has none: it is idempotent by state. */
function effectsOf(evidence: Evidence, { intent }: Operation): readonly string[] {
  switch (intent.type) {
    case 'reserve':
      return (evidence.reservationsOfUser.get(intent.userId) ?? []).map(({ id }) => id)
    case 'create_slot':
    case 'resize':
      return (evidence.ledgerOfName.get(intent.name) ?? []).map(({ slotId }) => slotId)
    case 'cancel':
      return []
  }
}

export const answerIsDecision: Check = {
  name: 'answer-is-decision',
  promise: 'every decision a client was told, in an answer or by reading, is the stored one',
  run: (evidence) => {
    const { operations, reservationReads } = evidence.history
    const told = operations.flatMap((operation) =>
      operation.answers.flatMap((answer) => (answer.type === 'decided' ? [{ operation, answer }] : [])),
    )
    const answers = checkEach(told, ({ operation, answer }) => {
      const fault = contradiction(evidence, operation, answer)
      return fault === null ? [] : [`${describe(operation)}: told ${textOf(answer.decision)}, ${fault}`]
    })
    const reads = checkEach(reservationReads, ({ id, status }) => {
      const stored = evidence.reservations.get(id)?.status ?? 'missing'
      return mayBecome(status, stored) ? [] : [`reservation ${id}: read as ${status}, stored as ${stored}`]
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
  { id, decision }: Extract<Answer, { type: 'decided' }>,
): string | null {
  switch (intent.type) {
    case 'reserve':
      return againstStored(decision, evidence.reservations.get(id), evidence)
    case 'cancel': {
      // Its 202 was waited for before it was cancelled: its create lies earlier in the log.
      if (decision.code === 'reservation-not-found') return 'although its create came first'
      return againstStored(decision, evidence.reservations.get(intent.reservationId), evidence)
    }
    case 'create_slot':
      return decision.code === 'ok' && evidence.slots.has(id) ? null : 'which is not what is stored'
    case 'resize': {
      const entries = evidence.ledgerOfName.get(intent.name)?.length ?? 0
      return entries === (decision.code === 'ok' ? 1 : 0) ? null : `the ledger has it ${entries} times`
    }
  }
}

function againstStored(
  { code, reservation }: Decision,
  stored: ReservationFact | undefined,
  { ledgerOfReservation }: Evidence,
): string | null {
  if (stored === undefined) return 'stored is nothing'
  if (code === 'not-cancellable') return stored.status === 'rejected' ? null : `stored is ${stored.status}`
  if (code !== 'ok') {
    return stored.status === 'rejected' && stored.reason === code
      ? null
      : `stored is ${stored.status} ${stored.reason ?? ''}`
  }
  if (reservation === null) return 'without a reservation'
  if (!mayBecome(reservation.status, stored.status)) return `stored is ${stored.status}`
  if (reservation.quantity !== stored.quantity) return `stored is a quantity of ${stored.quantity}`
  const type = `reservation_${reservation.status}`
  const entry = (ledgerOfReservation.get(stored.id) ?? []).find((each) => each.type === type)
  return entry?.version === reservation.slotVersion ? null : `the ledger has version ${entry?.version}`
}

/** A decision stands; only what is confirmed may be cancelled later. */
function mayBecome(told: string, stored: string): boolean {
  return told === stored || (told === 'confirmed' && stored === 'cancelled')
}

export const nothingUnasked: Check = {
  name: 'nothing-unasked',
  promise: 'every reservation and every entry of the ledger goes back to a request, with what it asked for',
  run: ({ history, facts }) => {
    const reserves = new Map<string, Extract<Operation['intent'], { type: 'reserve' }>>()
    const cancelled = new Set<string>()
    const names = new Set<string>()
    for (const { intent } of history.operations) {
      if (intent.type === 'reserve') reserves.set(intent.userId, intent)
      else if (intent.type === 'cancel') cancelled.add(intent.reservationId)
      else names.add(intent.name)
    }
    const rows = checkEach(facts.reservations, ({ id, userId, slotId, quantity, status }) => {
      const asked = reserves.get(userId)
      if (asked === undefined) return [`reservation ${id} of ${userId}: nobody asked for it`]
      const same = asked.slotId === slotId && asked.quantity === quantity
      return [
        ...(same
          ? []
          : [`reservation ${id}: ${quantity} units of ${slotId} is not what ${userId} asked for`]),
        ...(status === 'cancelled' && !cancelled.has(id) ? [`reservation ${id}: nobody cancelled it`] : []),
      ]
    })
    const entries = checkEach(facts.ledger, ({ slotId, version, name }) =>
      name === null || names.has(name) ? [] : [`slot ${slotId} version ${version}: nobody asked for it`],
    )
    return {
      checked: rows.checked + entries.checked,
      violations: [...rows.violations, ...entries.violations],
    }
  },
}

export const rollingLosesNothing: Check = {
  name: 'rolling-loses-nothing',
  promise: 'no request of the rolling restart failed, and none was repeated',
  run: ({ history }) =>
    checkEach(
      history.operations.filter(({ phase }) => phase === 'rolling'),
      (operation) =>
        operation.answers.length === 1 && knowledgeOf(operation) === 'taken'
          ? []
          : [`${describe(operation)}: ${operation.answers.map(({ status, code }) => `${status} ${code}`)}`],
    ),
}

function textOf({ code, reservation }: Decision): string {
  return reservation === null ? code : `${reservation.status} at version ${reservation.slotVersion}`
}

export function describe(operation: Operation): string {
  const { intent } = operation
  const id = idOf(operation)
  switch (intent.type) {
    case 'reserve':
      return `reserve ${id ?? 'without an id'} (${intent.userId}, slot ${intent.slotId})`
    case 'cancel':
      return `cancel ${intent.reservationId}`
    case 'create_slot':
      return `slot ${id ?? 'without an id'} (${intent.name})`
    case 'resize':
      return `resize of ${intent.slotId} (${intent.name})`
  }
}
