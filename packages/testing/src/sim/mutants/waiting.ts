/** What happens by itself: holds that end, lines that move, and the wakes that see to it. */
import { edit, type Mutant } from './mutant.ts'

const alarm = 'packages/engine/src/alarm.ts'
const decider = 'packages/reservations/src/decider.ts'
const due = 'packages/reservations/src/due.ts'
const lists = 'packages/engine/src/row-lists.ts'

const dueFirst = 'if (due !== null && takesDueSteps(view, command)) return { step: [due] }'

export const waitingMutants: readonly Mutant[] = [
  {
    name: 'expiry-by-process-clock',
    what: 'a hold is over when the clock of the process says so',
    edits: [
      edit(due, 'list(DUE_LIST, atMs)', 'list(DUE_LIST, Date.now())'),
      edit(due, 'expiresMs !== null && expiresMs <= atMs', 'expiresMs !== null && expiresMs <= Date.now()'),
    ],
  },
  {
    name: 'hold-ends-a-millisecond-late',
    what: 'at the very time of its end a hold can still be confirmed',
    edits: [
      edit(due, 'list(DUE_LIST, atMs)', 'list(DUE_LIST, atMs - 1)'),
      edit(due, 'expiresMs !== null && expiresMs <= atMs', 'expiresMs !== null && expiresMs < atMs'),
    ],
  },
  {
    name: 'refused-with-due-left',
    what: 'sold out is said although a hold is over that has not been taken out of the way',
    edits: [
      edit(due, 'const STEPS_PER_COMMAND = 16', 'const STEPS_PER_COMMAND = 1'),
      edit(decider, "return due !== null && 'outcome' in decision && decision.lacksUnits", 'return false'),
    ],
  },
  {
    name: 'confirmed-by-look-up',
    what: 'a confirmation sees that the reservation is held, and not that its time is over',
    edits: [
      edit(due, 'return row?.slotId === slot.id && hasEnded(row, atMs) ? expiry(row) : null', 'return null'),
      edit(decider, dueFirst, dueFirst.replace(')) return', ") && command.type !== 'confirm') return")),
    ],
  },
  {
    name: 'line-jumped',
    what: 'free units go to the last in line that fits',
    edits: [
      edit(
        due,
        'return firstThatFits(view.list(QUEUE_LIST), free)',
        'return [...view.list(QUEUE_LIST)].findLast(({ quantity }) => quantity <= free)',
      ),
    ],
  },
  {
    name: 'line-moves-at-wakes-only',
    what: 'whoever comes next is served before those in line',
    edits: [
      edit(
        due,
        'if (waiter !== undefined) return promotion(slot, waiter, atMs)',
        "if (waiter !== undefined && command.type === 'wake_slot') return promotion(slot, waiter, atMs)",
      ),
    ],
  },
  {
    name: 'promoted-twice',
    what: 'the same one in line is given free units twice',
    edits: [
      edit(
        decider,
        'if (urgent !== null) return { step: [urgent] }',
        "if (urgent !== null) return { step: urgent.type === 'waiter_promoted' ? [urgent, urgent] : [urgent] }",
      ),
    ],
  },
  {
    name: 'wakes-lost-at-takeover',
    what: 'a new owner does not read what is due at the keys that nobody asks for',
    edits: [
      edit(alarm, 'await this.#deps.dueKeys(keysMax)', '(await this.#deps.dueKeys(keysMax)).slice(0, 0)'),
    ],
  },
  {
    name: 'wake-sent-once',
    what: 'a wake that was lost is not sent again',
    edits: [
      edit(
        alarm,
        'const sent = { ...wake, notBeforeMs: nowMs + pauseMs, rings: rings + 1 }',
        'const sent = { ...wake, notBeforeMs: Number.MAX_SAFE_INTEGER, rings: rings + 1 }',
      ),
    ],
  },
  {
    name: 'page-taken-for-the-list',
    what: 'what lies behind the page that was loaded is taken for nothing',
    edits: [edit(lists, 'horizon !== null && horizon.at <= upTo', 'horizon !== null && horizon.at < 0')],
  },
  {
    name: 'stale-page-believed',
    what: 'rows of a page are believed to be where they were before the batch that is being committed',
    edits: [edit(lists, 'stored.filter(({ id }) => changed?.has(id) !== true)', 'stored.slice()')],
  },
  {
    name: 'steps-not-committed',
    what: 'a batch that consumes no record is not committed',
    edits: [
      edit(
        'packages/engine/src/partition-writer.ts',
        'to.nextOffset > progress.nextOffset || to.eventSeq > progress.eventSeq',
        'to.nextOffset > progress.nextOffset',
      ),
    ],
  },
]
