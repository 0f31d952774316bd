/** For tests: a domain's state in memory, changed by its real decider through the real engine, a record at a time. */
import {
  type Binding,
  type Command,
  type DecidedBatch,
  type Decider,
  type DomainEvent,
  decideBatch,
  type Header,
} from '@ironsys/engine'

export interface MemoryRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timeMs: number
  readonly key: string
  readonly value: string
}

export interface MemoryDomain<E extends DomainEvent, H extends Header, R, O> {
  readonly headers: Map<string, H>
  readonly rows: Map<string, R>
  readonly remembered: Map<string, O>
  decide(record: MemoryRecord): DecidedBatch<E, H, R, O>
}

const EVENTS_MAX = 1_000_000

export function createMemoryDomain<C extends Command, E extends DomainEvent, H extends Header, R, O>(
  decider: Decider<C, E, H, R, O>,
  binding: Binding<E>,
): MemoryDomain<E, H, R, O> {
  const headers = new Map<string, H>()
  const rows = new Map<string, R>()
  const remembered = new Map<string, O>()

  const pageOf = (key: string, list: string) => {
    const standing = [...rows.values()]
      .filter((row) => decider.keyOfRow(row) === key)
      .flatMap((row) => decider.listsOf(row).map((place) => ({ row, ...place })))
      .filter((place) => place.list === list)
      .sort((a, b) => a.at - b.at || (decider.rowId(a.row) < decider.rowId(b.row) ? -1 : 1))
    return { key, list, rows: standing.map(({ row }) => row), complete: true }
  }

  return {
    headers,
    rows,
    remembered,
    decide(record) {
      const { topic, partition, offset, timeMs } = record
      const value = Buffer.from(record.value)
      const command = decider.parse(value)
      if ('unreadable' in command) throw new Error(`an unreadable command was sent: ${command.detail}`)
      const decided = decideBatch({
        decider,
        binding,
        id: { topic, partition },
        from: {
          nextOffset: offset,
          epoch: 1,
          logTimeMs: timeMs,
          lastRecord: null,
          eventSeq: offset * 1000,
          steps: 0,
        },
        records: [{ record: { offset, timeMs, key: Buffer.from(record.key), value }, command }],
        before: {
          header: (key) => headers.get(key) ?? null,
          row: (id) => rows.get(id),
          remembered: (id) => remembered.get(id),
          page: pageOf,
          emptyList: () => false,
          changedRows: [],
        },
        refusedOffsets: new Map(),
        eventsMax: EVENTS_MAX,
      })
      const { effects } = decided
      const [letter] = effects.deadLetters
      if (letter !== undefined) throw new Error(`a command was refused: ${letter.detail}`)
      for (const [key, { header }] of effects.headers) headers.set(key, header)
      for (const [id, { row }] of effects.rows) rows.set(id, row)
      for (const { commandId, outcome } of effects.remembered) remembered.set(commandId, outcome)
      return decided
    },
  }
}
