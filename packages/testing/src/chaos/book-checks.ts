/** Ledger, state, reservations and log among themselves (I1, I5). */
import { type Check, checkEach } from './evidence.ts'
import type { LedgerFact } from './facts.ts'

export const ledgerGapless: Check = {
  name: 'ledger-gapless',
  promise: 'the versions of a slot are 1, 2, 3, … without a gap (I5)',
  run: ({ ledgerOfSlot }) =>
    checkEach([...ledgerOfSlot], ([slotId, entries]) => {
      const at = entries.findIndex(({ version }, index) => version !== index + 1)
      return at === -1
        ? []
        : [`slot ${slotId}: version ${entries[at]?.version} stands where ${at + 1} should`]
    }),
}

export const neverOversold: Check = {
  name: 'never-oversold',
  promise: 'held + confirmed stay within capacity and overbooking at every version (I1)',
  run: ({ ledgerOfSlot, facts }) => ({
    checked: facts.ledger.length,
    violations: [...ledgerOfSlot].flatMap(([slotId, entries]) =>
      runningSums(entries)
        .filter(({ held, confirmed, limit }) => held < 0 || confirmed < 0 || held + confirmed > limit)
        .map(
          ({ version, held, confirmed, limit }) =>
            `slot ${slotId} version ${version}: ${held} held, ${confirmed} confirmed, ${limit} allowed`,
        ),
    ),
  }),
}

export interface RunningSum {
  readonly version: number
  readonly held: number
  readonly confirmed: number
  readonly capacity: number
  readonly limit: number
}

/** What the ledger of one slot adds up to, at each of its entries. */
export function runningSums(entries: readonly LedgerFact[]): readonly RunningSum[] {
  let held = 0
  let confirmed = 0
  return entries.map(({ version, heldDelta, confirmedDelta, capacity, overbookingBps }) => {
    held += heldDelta
    confirmed += confirmedDelta
    const limit = capacity + Math.floor((capacity * overbookingBps) / 10_000)
    return { version, held, confirmed, capacity, limit }
  })
}

export const stateIsLedgerSum: Check = {
  name: 'state-is-ledger-sum',
  promise: 'a slot is what its ledger adds up to',
  run: ({ facts, ledgerOfSlot, slots }) => {
    const states = checkEach(facts.slots, (slot) => {
      const sum = runningSums(ledgerOfSlot.get(slot.id) ?? []).at(-1)
      const same =
        sum !== undefined &&
        sum.version === slot.version &&
        sum.held === slot.held &&
        sum.confirmed === slot.confirmed &&
        sum.capacity === slot.capacity
      return same ? [] : [`slot ${slot.id}: ${JSON.stringify(slot)}, its ledger says ${JSON.stringify(sum)}`]
    })
    const orphans = [...ledgerOfSlot.keys()].filter((slotId) => !slots.has(slotId))
    return {
      checked: states.checked,
      violations: [
        ...states.violations,
        ...orphans.map((slotId) => `slot ${slotId}: only its ledger exists`),
      ],
    }
  },
}

const ledgerTypesOf: Readonly<Record<string, readonly string[]>> = {
  confirmed: ['reservation_confirmed'],
  cancelled: ['reservation_confirmed', 'reservation_cancelled'],
  rejected: [],
}

export const reservationsMatchLedger: Check = {
  name: 'reservations-match-ledger',
  promise:
    'a reservation has exactly the entries of its status, with its quantity, and no entry is without one',
  run: ({ facts, reservations, ledgerOfReservation }) => {
    const rows = checkEach(facts.reservations, ({ id, status, quantity, slotId }) => {
      const entries = ledgerOfReservation.get(id) ?? []
      const types = entries.map(({ type }) => type).join()
      const wanted = ledgerTypesOf[status]?.join()
      const amounts = entries.every(
        (entry) =>
          entry.slotId === slotId &&
          entry.confirmedDelta === (entry.type === 'reservation_confirmed' ? quantity : -quantity),
      )
      return types === wanted && amounts
        ? []
        : [`reservation ${id} is ${status} with ${quantity}: its ledger has ${JSON.stringify(entries)}`]
    })
    const orphans = [...ledgerOfReservation.keys()].filter((id) => !reservations.has(id))
    return {
      checked: rows.checked,
      violations: [...rows.violations, ...orphans.map((id) => `reservation ${id}: only its ledger exists`)],
    }
  },
}

export const logDrained: Check = {
  name: 'log-drained',
  promise: 'every record of the log is applied, every event sent, and nothing became a dead letter',
  run: ({ facts }) => {
    const drained = checkEach(facts.partitions, ({ partition, nextOffset, logEnd, outboxSegments }) => [
      ...(nextOffset === logEnd ? [] : [`partition ${partition}: at ${nextOffset} of ${logEnd}`]),
      ...(outboxSegments === 0 ? [] : [`partition ${partition}: ${outboxSegments} segments are not sent`]),
    ])
    return {
      checked: drained.checked,
      violations: [...drained.violations, ...facts.deadLetters.map((letter) => `dead letter: ${letter}`)],
    }
  },
}
