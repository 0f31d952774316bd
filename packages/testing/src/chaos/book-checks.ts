/** Ledger, state, reservations and logs among themselves (I1, I5). */
import { type Check, checkEach, grouped } from './evidence.ts'
import type { LedgerFact, ReservationFact } from './facts.ts'
import { illegalStep, lifeText, movesOf } from './lives.ts'

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

export const reservationsMatchLedger: Check = {
  name: 'reservations-match-ledger',
  promise:
    'a reservation has lived as its entries say, step by step and with its quantity, and no entry is without one',
  run: ({ facts, reservations, ledgerOfReservation }) => {
    const rows = checkEach(facts.reservations, (row) => {
      const fault = mismatch(row, ledgerOfReservation.get(row.id) ?? [])
      return fault === null ? [] : [`reservation ${row.id} (${lifeText(row.life)}): ${fault}`]
    })
    const orphans = [...ledgerOfReservation.keys()].filter((id) => !reservations.has(id))
    return {
      checked: rows.checked,
      violations: [...rows.violations, ...orphans.map((id) => `reservation ${id}: only its ledger exists`)],
    }
  },
}

/** Null where there is none. */
function mismatch(row: ReservationFact, entries: readonly LedgerFact[]): string | null {
  const { status, quantity, life } = row
  const illegal = illegalStep('reservation', life)
  if (illegal !== null) return illegal
  if (life.at(-1)?.status !== status) return `it is ${status}`
  if (status === 'rejected') return entries.length === 0 ? null : `${entries.length} entries of a rejection`
  const walked: { status: string; atMs: number }[] = []
  for (const entry of entries) {
    const moves = movesOf(entry.type, walked.at(-1)?.status ?? '')
    const fits =
      moves !== null &&
      entry.slotId === row.slotId &&
      entry.heldDelta === moves.held * quantity &&
      entry.confirmedDelta === moves.confirmed * quantity
    if (!fits) return `its ledger has ${JSON.stringify(entry)}`
    if (moves.status !== null) walked.push({ status: moves.status, atMs: entry.atMs })
  }
  if (!lifeText(walked).endsWith(lifeText(life))) return `its ledger says ${lifeText(walked)}`
  return entries.at(-1)?.version === row.slotVersion ? null : `it is of version ${row.slotVersion}`
}

export const nothingIsLeftOpen: Check = {
  name: 'nothing-is-left-open',
  promise: 'no hold is left whose time is over, and no booking that is not decided',
  run: ({ facts }) => {
    const held = checkEach(facts.reservations, ({ id, status }) =>
      status === 'held' ? [`reservation ${id} is held still`] : [],
    )
    const open = checkEach(facts.bookings, ({ id, status }) =>
      status === 'held' || status === 'pending' ? [`booking ${id} is ${status} still`] : [],
    )
    return { checked: held.checked + open.checked, violations: [...held.violations, ...open.violations] }
  },
}

export const unitsBalance: Check = {
  name: 'units-balance',
  promise: 'what a slot counts as held, confirmed and waiting is what its reservations add up to',
  run: ({ facts }) => {
    const rows = grouped(facts.reservations, ({ slotId }) => slotId)
    return checkEach(facts.slots, ({ id, held, confirmed, waitlistCount }) => {
      const of = (status: string) => (rows.get(id) ?? []).filter((row) => row.status === status)
      const [heldUnits, confirmedUnits] = [unitsOf(of('held')), unitsOf(of('confirmed'))]
      const waiting = of('waitlisted').length
      const same = held === heldUnits && confirmed === confirmedUnits && waitlistCount === waiting
      return same
        ? []
        : [
            `slot ${id} has ${held} held, ${confirmed} confirmed, ${waitlistCount} waiting; its reservations ${heldUnits}, ${confirmedUnits}, ${waiting}`,
          ]
    })
  },
}

function unitsOf(rows: readonly ReservationFact[]): number {
  return rows.reduce((sum, { quantity }) => sum + quantity, 0)
}

export const userLimitKept: Check = {
  name: 'user-limit-kept',
  promise: 'nobody ever had more of a slot, held, confirmed and waited for, than it allows',
  run: ({ facts, ledgerOfSlot, reservations }) =>
    checkEach(
      facts.slots.filter(({ maxPerUser }) => maxPerUser !== null),
      ({ id, maxPerUser }) => {
        const statuses = new Map<string, string>()
        const units = new Map<string, number>()
        const faults: string[] = []
        for (const { reservationId, type, version } of ledgerOfSlot.get(id) ?? []) {
          const row = reservations.get(reservationId ?? '')
          if (row === undefined) continue
          const before = statuses.get(row.id) ?? ''
          const moves = movesOf(type, before)
          if (moves === null || moves.status === null) continue
          statuses.set(row.id, moves.status)
          const more = (moves.held + moves.confirmed + moves.waiting) * row.quantity
          const has = (units.get(row.userId) ?? 0) + more
          units.set(row.userId, has)
          if (has > (maxPerUser ?? has))
            faults.push(`slot ${id} version ${version}: ${row.userId} has ${has} of ${maxPerUser}`)
        }
        return faults
      },
    ),
}

export const logDrained: Check = {
  name: 'log-drained',
  promise: 'every record of the logs is applied, every event sent, and nothing became a dead letter',
  run: ({ facts }) => {
    const drained = checkEach(
      facts.partitions,
      ({ topic, partition, nextOffset, logEnd, outboxSegments }) => [
        ...(nextOffset === logEnd ? [] : [`${topic}/${partition}: at ${nextOffset} of ${logEnd}`]),
        ...(outboxSegments === 0 ? [] : [`${topic}/${partition}: ${outboxSegments} segments are not sent`]),
      ],
    )
    return {
      checked: drained.checked,
      violations: [...drained.violations, ...facts.deadLetters.map((letter) => `dead letter: ${letter}`)],
    }
  },
}
