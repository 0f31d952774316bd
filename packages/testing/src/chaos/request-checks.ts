/** What clients were told, against what is stored. */
import { UNREADABLE } from './answers.ts'
import { type Check, checkEach, type Evidence } from './evidence.ts'
import type { BookedUnits, Intent, Operation } from './history.ts'
import { idOf, knowledgeOf } from './history.ts'
import { had, type LifeStep } from './lives.ts'
import { markerOf } from './workload.ts'

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

/** Null where it is. */
function undecided(evidence: Evidence, operation: Operation): string | null {
  const { intent } = operation
  const id = idOf(operation) ?? ''
  switch (intent.type) {
    case 'reserve':
      return evidence.reservations.has(id) ? null : 'accepted, and lost: no such row'
    case 'create_slot':
      return evidence.slots.has(id) ? null : 'accepted, and lost: no such slot'
    case 'book':
      return evidence.bookings.has(id) ? null : 'accepted, and lost: no such booking'
    case 'update_slot':
      // One that may be refused leaves no entry then.
      return intent.mayBeRefused || evidence.ledgerOfName.has(intent.name)
        ? null
        : 'accepted, and lost: no entry in the ledger'
    case 'confirm':
      return lacks(evidence.reservations.get(intent.reservationId), [...ends, 'confirmed', 'waitlisted'])
    case 'cancel':
      return lacks(evidence.reservations.get(intent.reservationId), ends)
    case 'cancel_booking':
      return lacks(evidence.bookings.get(intent.bookingId), ends)
    case 'confirm_booking':
      // It came while the booking was pending, or it did something.
      return lacks(evidence.bookings.get(intent.bookingId), [...ends, 'confirmed', 'pending'])
  }
}

const ends = ['cancelled', 'rejected', 'expired'] as const

/** What was asked for leaves one of these in the life of what it was about, or found it there. */
function lacks(
  subject: { readonly life: readonly LifeStep[] } | undefined,
  statuses: readonly string[],
): string | null {
  if (subject === undefined) return 'accepted, but what it is about is not there'
  return had(subject.life, ...statuses)
    ? null
    : `accepted, but it never was ${statuses.join(', ')}: it is ${subject.life.at(-1)?.status}`
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

/** The ids of what an operation made, found by its marker. What has none is idempotent by state. */
function effectsOf(evidence: Evidence, { intent }: Operation): readonly string[] {
  switch (intent.type) {
    case 'reserve':
      return (evidence.reservationsOfName.get(intent.name) ?? []).map(({ id }) => id)
    case 'book':
      return (evidence.bookingsOfUser.get(intent.userId) ?? []).map(({ id }) => id)
    case 'create_slot':
    case 'update_slot':
      return (evidence.ledgerOfName.get(intent.name) ?? []).map(({ slotId }) => slotId)
    case 'confirm':
    case 'cancel':
    case 'confirm_booking':
    case 'cancel_booking':
      return []
  }
}

export const nothingUnasked: Check = {
  name: 'nothing-unasked',
  promise: 'every reservation and every entry of the ledger goes back to a request, with what it asked for',
  run: ({ history, facts }) => {
    const asked = new Map<string, Intent>()
    const touched = new Set<string>()
    for (const { intent } of history.operations) {
      const marker = markerOf(intent)
      if (marker !== null) asked.set(marker, intent)
      else if ('reservationId' in intent) touched.add(`${intent.type} ${intent.reservationId}`)
      else if ('bookingId' in intent) touched.add(`${intent.type} ${intent.bookingId}`)
    }
    const rows = checkEach(
      facts.reservations.filter(({ bookingId }) => bookingId === null),
      ({ id, name, userId, slotId, quantity, life }) => {
        const intent = asked.get(name ?? '')
        if (intent?.type !== 'reserve') return [`reservation ${id} of ${name}: nobody asked for it`]
        const same = intent.slotId === slotId && intent.quantity === quantity && intent.userId === userId
        const waitedUnasked = had(life.slice(0, 1), 'waitlisted') && !intent.joinWaitlist
        return [
          ...(same
            ? []
            : [`reservation ${id}: ${quantity} units of ${slotId} is not what ${name} asked for`]),
          ...(waitedUnasked ? [`reservation ${id}: nobody asked to wait`] : []),
          ...unasked('cancel', id, life, touched),
        ]
      },
    )
    const bookings = checkEach(facts.bookings, ({ id, userId, items, life }) => {
      const intent = asked.get(userId)
      if (intent?.type !== 'book') return [`booking ${id} of ${userId}: nobody asked for it`]
      return [
        ...(demandOf(items) === demandOf(intent.items)
          ? []
          : [`booking ${id}: ${demandOf(items)} is not what ${userId} asked for`]),
        ...unasked('cancel_booking', id, life, touched),
      ]
    })
    const entries = checkEach(facts.ledger, ({ slotId, version, name }) =>
      name === null || asked.has(name) ? [] : [`slot ${slotId} version ${version}: nobody asked for it`],
    )
    return {
      checked: rows.checked + bookings.checked + entries.checked,
      violations: [...rows.violations, ...bookings.violations, ...entries.violations],
    }
  },
}

function unasked(
  type: 'cancel' | 'cancel_booking',
  id: string,
  life: readonly LifeStep[],
  touched: ReadonlySet<string>,
): readonly string[] {
  return had(life, 'cancelled') && !touched.has(`${type} ${id}`) ? [`${id}: nobody cancelled it`] : []
}

/** What is asked of each slot, however it was split. */
function demandOf(items: readonly BookedUnits[]): string {
  const units = new Map<string, number>()
  for (const { slotId, quantity } of items) units.set(slotId, (units.get(slotId) ?? 0) + quantity)
  return [...units]
    .map(([slotId, sum]) => `${sum} of ${slotId}`)
    .sort()
    .join(', ')
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

export function describe(operation: Operation): string {
  const { intent } = operation
  const id = idOf(operation) ?? 'without an id'
  switch (intent.type) {
    case 'reserve':
      return `reserve ${id} (${intent.name}, slot ${intent.slotId})`
    case 'book':
      return `booking ${id} (${intent.userId})`
    case 'confirm':
    case 'cancel':
      return `${intent.type} ${intent.reservationId}`
    case 'confirm_booking':
    case 'cancel_booking':
      return `${intent.type} ${intent.bookingId}`
    case 'create_slot':
      return `slot ${id} (${intent.name})`
    case 'update_slot':
      return `change of ${intent.slotId} (${intent.name})`
  }
}
