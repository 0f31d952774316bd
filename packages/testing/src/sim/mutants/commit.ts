/** The fence, the commit, and what is in memory beside it. */
import { edit, type Mutant } from './mutant.ts'

const writer = 'packages/engine/src/partition-writer.ts'
const prefetch = 'packages/engine/src/prefetch.ts'
const stateBefore = 'packages/engine/src/state-before.ts'
const database = 'packages/testing/src/twins/memory-database.ts'
const memory = 'packages/engine/src/memory.ts'

export const commitMutants: readonly Mutant[] = [
  {
    name: 'no-fence',
    what: 'a commit does not look at partition_progress',
    edits: [edit(database, 'if (row === undefined || !isHere) {', 'if (row === undefined) {')],
  },
  {
    name: 'fence-without-offset',
    what: 'the fence compares the epoch and not how far the partition is',
    edits: [
      edit(
        database,
        'nextOffset === from.nextOffset && epoch === from.epoch && eventSeq === from.eventSeq',
        'epoch === from.epoch',
      ),
    ],
  },
  {
    name: 'fence-without-event-seq',
    what: 'the fence does not see that steps of the next record were committed',
    edits: [edit(database, ' && eventSeq === from.eventSeq', '')],
  },
  {
    name: 'fence-without-epoch',
    what: 'the fence compares the offset and not the epoch: a repair does not stop the writer',
    edits: [edit(database, ' && epoch === from.epoch', '')],
  },
  {
    name: 'partition-count-not-compared',
    what: 'a worker with another partition count may write',
    edits: [
      edit(
        database,
        'if (row.log.clusterId !== log.clusterId || row.log.partitionCount !== log.partitionCount) {',
        'if (row.log.clusterId !== log.clusterId) {',
      ),
    ],
  },
  {
    name: 'offset-before-transaction',
    what: 'the offset is committed before, and outside of, the transaction',
    edits: [
      edit(
        writer,
        '      await this.#deps.store.commit(effects)\n',
        '      await this.#deps.store.commit({ ...effects, headers: new Map(), rows: new Map(), ledger: [], remembered: [], deadLetters: [], segment: null })\n' +
          '      await this.#deps.store.commit({ ...effects, from: effects.to })\n',
      ),
    ],
  },
  {
    name: 'cache-kept-after-fault',
    what: 'headers stay cached when the outcome of a commit is unknown',
    edits: [edit(writer, '        this.#memory.clear()\n', '')],
  },
  {
    name: 'row-kept-as-it-was',
    what: 'a row stays in memory as it was before a batch that ends it',
    edits: [edit(memory, '      else this.rows.delete(rowId)\n', '')],
  },
  {
    name: 'rows-of-removed-key-kept',
    what: 'rows stay in memory when their key is removed',
    edits: [
      edit(
        memory,
        '    if (removedKeys.size > 0) this.rows.deleteWhere((row) => removedKeys.has(keyOfRow(row)))\n',
        '',
      ),
    ],
  },
  {
    name: 'unknown-taken-for-failed',
    what: 'an unknown outcome of a commit is taken for a failure: memory is put back, not dropped',
    edits: [
      edit(writer, '        this.#memory.clear()\n', ''),
      edit(writer, '    this.#memory.keep(effects)\n', ''),
      edit(
        writer,
        '      await this.#commit(batch)\n',
        '      await this.#commit(batch)\n      this.#memory.keep(effects)\n',
      ),
    ],
  },
  {
    name: 'unknown-taken-for-committed',
    what: 'an unknown outcome of a commit is taken for a success: its events and replies leave',
    edits: [
      edit(
        writer,
        'touched, error)\n      throw error\n',
        'touched, error)\n      if (error instanceof DataError || error instanceof FencedError) throw error\n',
      ),
    ],
  },
  {
    name: 'overlay-missing',
    what: 'a batch is decided without the rows of the batch that is being committed',
    edits: [
      edit(
        prefetch,
        'const known = inFlight?.rows.get(rowId)?.row ?? memory.rows.get(rowId)',
        'const known = undefined',
      ),
      edit(
        stateBefore,
        'const changed = inFlight?.rows.get(rowId)',
        "const changed = inFlight?.rows.get('')",
      ),
    ],
  },
  {
    name: 'header-overlay-missing',
    what: 'a batch is decided from headers as they were before the batch that is being committed',
    edits: [
      edit(
        prefetch,
        'inFlight?.headers.get(key)?.header ?? memory.headers.get(key)',
        'memory.headers.get(key)',
      ),
      edit(
        stateBefore,
        'plan.headers.get(key) ?? inFlight?.headers.get(key)?.header',
        'plan.headers.get(key)',
      ),
      edit(
        memory,
        '    for (const [key, { header }] of headers) this.headers.set(key, header)\n',
        '    for (const key of headers.keys()) this.headers.delete(key)\n',
      ),
    ],
  },
  {
    name: 'remembered-overlay-missing',
    what: 'what the batch in flight remembers is not seen by the next',
    edits: [
      edit(
        stateBefore,
        'remembered.get(commandId) ?? loaded?.remembered.get(commandId)',
        'loaded?.remembered.get(commandId)',
      ),
    ],
  },
  {
    name: 'batch-buried-with-its-poison',
    what: 'what the database refuses is not narrowed down: the first record is buried instead',
    edits: [edit('packages/engine/src/narrowing.ts', '    if (records > 1) return\n', '')],
  },
]
