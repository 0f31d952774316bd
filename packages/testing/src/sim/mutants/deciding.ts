/** What is decided about slots and reservations. */
import { edit, type Mutant } from './mutant.ts'

const batch = 'packages/engine/src/batch-in-progress.ts'
const evolve = 'packages/reservations/src/evolve.ts'
const late = 'packages/reservations/src/reservation-decisions.ts'
const pool = 'packages/capacity/src/pool.ts'

export const decidingMutants: readonly Mutant[] = [
  {
    name: 'dedupe-forgotten',
    what: 'a create does not look whether its id was decided before',
    edits: [
      edit(
        'packages/reservations/src/reserve-decision.ts',
        'if (earlier !== undefined) return',
        'if (false) return',
      ),
    ],
  },
  {
    name: 'remembered-forgotten',
    what: 'the outcome of a command that is not idempotent is not remembered',
    edits: [edit(batch, 'if (repeated !== undefined) {', 'if (false) {')],
  },
  {
    name: 'decision-by-process-clock',
    what: 'sales windows and holds are compared with the clock of the process',
    edits: [
      edit(batch, 'decider.decide(view, command, this.#atMs)', 'decider.decide(view, command, Date.now())'),
    ],
  },
  {
    name: 'oversold',
    what: 'the pool gives out one unit more than it has, and neither its assertion nor the CHECK notices',
    edits: [
      edit(
        pool,
        'return limitUnits(pool) - pool.heldUnits - pool.confirmedUnits',
        'return limitUnits(pool) - pool.heldUnits - pool.confirmedUnits + 1',
      ),
      edit(pool, 'if (!whole || heldUnits + confirmedUnits > limitUnits(pool)) {', 'if (!whole) {'),
      edit(
        'packages/testing/src/twins/reservation-tables.ts',
        "return heldUnits + confirmedUnits > limitUnits ? 'no_oversell' : null",
        "return heldUnits + confirmedUnits > limitUnits + 1 ? 'no_oversell' : null",
      ),
    ],
  },
  {
    name: 'limit-without-the-line',
    what: 'what a user waits for does not count towards the limit per user',
    edits: [
      edit(
        'packages/reservations/src/decider.ts',
        'return isCounted ? [standing,',
        "return isCounted && status === 'held' ? [standing,",
      ),
    ],
  },
  {
    name: 'limit-forgotten-when-late',
    what: 'a late confirmation takes units again beyond the limit per user',
    edits: [
      edit(
        late,
        'isSelling(slot, atMs) && !exceedsUserLimit(view, slot, row.userId, quantity)',
        'isSelling(slot, atMs)',
      ),
    ],
  },
  {
    name: 'anybody-may-confirm',
    what: 'somebody else may confirm and cancel a reservation',
    edits: [
      edit(
        late,
        'const isTheirs = command.caller === undefined ||',
        "const isTheirs = command.caller !== '' ||",
      ),
    ],
  },
  {
    name: 'cancelled-units-kept',
    what: 'a cancelled confirmation does not give its units back',
    edits: [edit(evolve, 'return { pool: releaseConfirmedUnits(slot.pool, units) }', 'return {}')],
  },
  {
    name: 'promoted-units-not-taken',
    what: 'what somebody in line is given is not taken out of what is free',
    edits: [edit(evolve, 'const held = taken(holdUnits(pool, quantity), slot)', 'const held = { ...pool }')],
  },
  {
    name: 'erased-in-state-only',
    what: 'the ledger still says who an erased person was',
    edits: [
      edit(
        'packages/testing/src/twins/reservation-tables.ts',
        'if (erased.size === 0) return null',
        'if (erased.size >= 0) return null',
      ),
    ],
  },
]
