/** Reading the log, and writing it. */
import { edit, type Mutant } from './mutant.ts'

const writer = 'packages/engine/src/partition-writer.ts'
const batch = 'packages/engine/src/batch.ts'
const inProgress = 'packages/engine/src/batch-in-progress.ts'
const reader = 'packages/engine/src/record-reader.ts'

export const logMutants: readonly Mutant[] = [
  {
    name: 'tail-not-compared',
    what: 'a takeover does not look at the tail of the log',
    edits: [
      edit(
        writer,
        'if (recordDigest(record) !== lastRecord.digest || record.timeMs !== lastRecord.timeMs) {',
        'if (record.offset < 0) {',
      ),
    ],
  },
  {
    name: 'hole-accepted',
    what: 'records that are missing from a fetch are passed over',
    edits: [
      edit(reader, '} else if (first.offset > from) {', '} else if (first.offset > from + 1_000_000) {'),
    ],
  },
  {
    name: 'redelivery-applied',
    what: 'records that were applied before are decided again',
    edits: [
      edit(reader, 'record.offset >= from)', 'record.offset >= from - 1)'),
      edit(
        'packages/kafka/src/partition-log.ts',
        'records.filter((record) => record.offset >= position)',
        'records.filter((record) => record.offset >= position - 1)',
      ),
    ],
  },
  {
    name: 'newer-schema-discarded',
    what: 'a command of a later release is taken for poison',
    edits: [
      edit(
        batch,
        "if ('unreadable' in command && command.unreadable === 'newer-schema') {",
        "if ('unreadable' in command && command.detail === '') {",
      ),
    ],
  },
  {
    name: 'misrouted-decided',
    what: 'a command in a partition that is not its own is decided there too',
    edits: [
      edit(
        inProgress,
        'if (key !== null && binding.partitionOfKey(key) !== id.partition) {',
        'if (key !== null && binding.partitionOfKey(key) < 0) {',
      ),
    ],
  },
  {
    name: 'log-time-not-clamped',
    what: 'time goes back with the clock of the broker',
    edits: [edit(inProgress, 'this.#atMs = Math.max(clampMs, record.timeMs)', 'this.#atMs = record.timeMs')],
  },
  {
    name: 'retry-under-new-id',
    what: 'the same key of the same client gives another id each time',
    edits: [
      edit(
        'packages/contracts/src/routing.ts',
        "createHmac('sha256', idKey).update(text)",
        "createHmac('sha256', idKey).update(parts.length === 5 ? String(Math.random()) : text)",
      ),
    ],
  },
  {
    name: 'expired-append-acknowledged',
    what: 'an append that nobody answered by its deadline is taken for written',
    edits: [
      edit(
        'packages/kafka/src/append-queue.ts',
        'of over) this.#settle(entry, this.#fault(entry, this.#lastError))',
        'of over) this.#settle(entry, { offset: 0, timeMs: 0 })',
      ),
    ],
  },
  {
    name: 'unknown-said-to-be-unwritten',
    what: 'an append whose outcome is unknown is said not to have been written',
    edits: [
      edit(
        'packages/kafka/src/append-queue.ts',
        'this.#isUnsent(entry) ? unavailable(error) : outcomeUnknown(error)',
        'this.#isUnsent(entry) ? unavailable(error) : unavailable(error)',
      ),
    ],
  },
  {
    name: 'sent-taken-for-refused',
    what: 'an attempt that failed on its way is taken for one that the breaker refused',
    edits: [
      edit(
        'packages/kafka/src/append-queue.ts',
        "attempt.phase === 'planned' ? 'for-now' : answered",
        "attempt.phase !== 'connecting' ? 'for-now' : answered",
      ),
    ],
  },
  {
    name: 'breaker-without-probe',
    what: 'a breaker that has opened lets no probe through',
    edits: [
      edit(
        'packages/circuit-breaker/src/breaker.ts',
        'return !closed && !pendingClose',
        'return !closed && (!pendingClose || pendingClose)',
      ),
    ],
  },
  {
    name: 'lane-jams',
    what: 'a partition whose appends have failed twice is never tried again',
    edits: [
      edit(
        'packages/kafka/src/append-queue.ts',
        '    if (this.#retryTimers.has(queue)) return\n',
        '    if (this.#retryTimers.has(queue) || queue.failures > 2) return\n',
      ),
    ],
  },
]
