/** The fence, the commit, and what is in memory beside it. */
import { edit, type Mutant } from './mutant.ts'

const writer = 'packages/engine/src/partition-writer.ts'
const prefetch = 'packages/engine/src/prefetch.ts'
const database = 'packages/testing/src/twins/memory-database.ts'

export const commitMutants: readonly Mutant[] = [
  {
    name: 'no-fence',
    what: 'a commit does not look at partition_progress',
    edits: [
      edit(
        database,
        'if (row === undefined || nextOffset !== from.nextOffset || epoch !== from.epoch) {',
        'if (row === undefined) {',
      ),
    ],
  },
  {
    name: 'fence-without-offset',
    what: 'the fence compares the epoch and not the offset',
    edits: [edit(database, 'nextOffset !== from.nextOffset || epoch !== from.epoch', 'epoch !== from.epoch')],
  },
  {
    name: 'fence-without-epoch',
    what: 'the fence compares the offset and not the epoch: a repair does not stop the writer',
    edits: [
      edit(
        database,
        'nextOffset !== from.nextOffset || epoch !== from.epoch',
        'nextOffset !== from.nextOffset',
      ),
    ],
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
    edits: [edit(writer, '        this.#cache.clear()\n', '')],
  },
  {
    name: 'unknown-taken-for-failed',
    what: 'an unknown outcome of a commit is taken for a failure: memory is put back, not dropped',
    edits: [
      edit(writer, '        this.#cache.clear()\n', ''),
      edit(
        writer,
        '    for (const [key, change] of effects.headers) this.#cache.set(key, change.header)\n',
        '',
      ),
      edit(
        writer,
        '      await this.#commit(effects)\n',
        '      await this.#commit(effects)\n      for (const [key, change] of effects.headers) this.#cache.set(key, change.header)\n',
      ),
    ],
  },
  {
    name: 'unknown-taken-for-committed',
    what: 'an unknown outcome of a commit is taken for a success: its events and replies leave',
    edits: [
      edit(
        writer,
        '      if (error instanceof DataError) this.#narrowDown(effects, error)\n      throw error\n',
        '      if (error instanceof DataError) this.#narrowDown(effects, error)\n      if (error instanceof DataError || error instanceof FencedError) throw error\n',
      ),
    ],
  },
  {
    name: 'overlay-missing',
    what: 'a batch is decided without the rows of the batch that is being committed',
    edits: [
      edit(prefetch, 'const known = inFlight?.rows.get(rowId)', "const known = inFlight?.rows.get('')"),
      edit(
        writer,
        'row: (rowId) => inFlight?.rows.get(rowId)?.row ?? loaded?.rows.get(rowId),',
        'row: (rowId) => loaded?.rows.get(rowId),',
      ),
    ],
  },
  {
    name: 'header-overlay-missing',
    what: 'a batch is decided from headers as they were before the batch that is being committed',
    edits: [
      edit(prefetch, 'inFlight?.headers.get(key)?.header ?? cached(key)', 'cached(key)'),
      edit(writer, '        inFlight?.headers.get(key)?.header ??\n', ''),
      edit(
        writer,
        '    for (const [key, change] of effects.headers) this.#cache.set(key, change.header)\n',
        '    for (const key of effects.headers.keys()) this.#cache.delete(key)\n',
      ),
      edit(
        'packages/engine/src/header-cache.ts',
        '  clear(): void {',
        '  delete(key: string): void {\n    this.#entries.delete(key)\n  }\n\n  clear(): void {',
      ),
    ],
  },
  {
    name: 'remembered-overlay-missing',
    what: 'what the batch in flight remembers is not seen by the next',
    edits: [
      edit(
        writer,
        'remembered.get(commandId) ?? loaded?.remembered.get(commandId)',
        'loaded?.remembered.get(commandId)',
      ),
    ],
  },
  {
    name: 'batch-buried-with-its-poison',
    what: 'what the database refuses is not narrowed down: the first record is buried instead',
    edits: [edit(writer, '    if (records > 1) return\n', '')],
  },
]
