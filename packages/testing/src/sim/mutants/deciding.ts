/** What is decided. */
import { edit, type Mutant } from './mutant.ts'

const batch = 'packages/engine/src/batch.ts'
const decider = 'packages/reservations/src/decider.ts'

export const decidingMutants: readonly Mutant[] = [
  {
    name: 'dedupe-forgotten',
    what: 'a create does not look whether its id was decided before',
    edits: [edit(decider, 'if (earlier !== undefined) return', 'if (false) return')],
  },
  {
    name: 'remembered-forgotten',
    what: 'the outcome of a command that is not idempotent is not remembered',
    edits: [edit(batch, 'if (repeated !== undefined) {', 'if (false) {')],
  },
  {
    name: 'decision-by-process-clock',
    what: 'the sales window is compared with the clock of the process',
    edits: [
      edit(batch, 'decider.decide(view, command, this.#atMs)', 'decider.decide(view, command, Date.now())'),
    ],
  },
  {
    name: 'oversold',
    what: 'the pool gives out one unit more than it has, and neither its assertion nor the CHECK notices',
    edits: [
      edit(
        'packages/capacity/src/pool.ts',
        'if (units > availableUnits(pool)) return',
        'if (units > availableUnits(pool) + 1) return',
      ),
      edit(
        'packages/capacity/src/pool.ts',
        'if (!whole || heldUnits + confirmedUnits > limitUnits(pool)) {',
        'if (!whole) {',
      ),
      edit(
        'packages/testing/src/twins/reservation-tables.ts',
        "return heldUnits + confirmedUnits > limitUnits ? 'no_oversell' : null",
        "return heldUnits + confirmedUnits > limitUnits + 1 ? 'no_oversell' : null",
      ),
    ],
  },
]
