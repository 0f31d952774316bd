/** The writer against twins: what it commits, what leaves, and what each fault leads to. */
import { createMemoryLog, createMemoryStore } from '@ironsys/testing/twins'
import { describe, expect, test, vi } from 'vitest'
import type { Binding } from './batch.ts'
import type { Command, Decider, DomainEvent, Header } from './decider.ts'
import { DataError, FencedError } from './faults.ts'
import {
  defaultWriterOptions,
  startPartitionWriter,
  type WriterMode,
  type WriterOptions,
} from './partition-writer.ts'
import type { CommittedBatch, EventPublisher, OutboxSegment, Scheduler } from './ports.ts'

// A domain as small as can be: piles of units. `put` makes a row, `take` removes it by row id, `stir` is remembered.
interface Pile extends Header {
  readonly units: number
}
interface Row {
  readonly key: string
  readonly units: number
  readonly taken: boolean
}
interface PileCommand extends Command {
  readonly type: 'put' | 'take' | 'stir'
  readonly key: string
  readonly units: number
}
interface PileEvent extends DomainEvent {
  readonly type: 'put' | 'take' | 'stir' | 'refused'
  readonly key: string
  readonly units: number
}
interface Outcome {
  readonly code: string
  readonly units: number
}

const decider: Decider<PileCommand, PileEvent, Pile, Row, Outcome> = {
  parse: (value) => {
    const text = value?.toString() ?? ''
    if (text === 'poison') return { unreadable: 'malformed', detail: 'poison', commandId: null }
    if (text === 'newer') return { unreadable: 'newer-schema', detail: 'newer', commandId: null }
    return JSON.parse(text)
  },
  needs: ({ type, key, id }) => ({
    key: type === 'take' ? null : key,
    rowIds: [id],
    remembered: type === 'stir',
  }),
  keyOfRow: (row) => row.key,
  codeOf: (outcome) => outcome.code,
  repeat: (_command, outcome) => outcome,
  decide: (view, command, atMs) => {
    const row = view.row(command.id)
    const units = view.header?.units ?? 0
    const event = { type: command.type, rowId: command.id, key: command.key, units: command.units }
    if (command.type === 'put') {
      if (row !== undefined) return { events: [], outcome: { code: 'again', units } }
      if (units + command.units > 100)
        return { events: [{ ...event, type: 'refused' }], outcome: { code: 'full', units } }
      return { events: [event], outcome: { code: `at ${atMs}`, units: units + command.units } }
    }
    if (command.type === 'stir')
      return { events: [{ ...event, rowId: null }], outcome: { code: 'stirred', units } }
    if (row === undefined || row.taken) return { events: [], outcome: { code: 'nothing', units } }
    return {
      events: [{ ...event, key: row.key, units: row.units }],
      outcome: { code: 'taken', units: units - row.units },
    }
  },
  evolve: ({ header, row }, event) => {
    const units = header?.units ?? 0
    const version = (header?.version ?? 0) + 1
    switch (event.type) {
      case 'put':
        return {
          header: { units: units + event.units, version },
          row: { key: event.key, units: event.units, taken: false },
        }
      case 'take':
        return { header: { units: units - event.units, version }, row: row && { ...row, taken: true } }
      case 'stir':
        return { header: { units, version }, row }
      case 'refused':
        return { header, row: { key: event.key, units: 0, taken: true } }
    }
  },
}

const binding: Binding<PileEvent> = {
  partitionOfKey: (key) => (key === 'elsewhere' ? 1 : 0),
  toMessage: (id, key, event, { seq, version }) => ({
    topic: 'events',
    partition: id.partition,
    key,
    value: `${seq} ${event.type} v${version}`,
  }),
}

const id = { topic: 'piles', partition: 0 }
const atOnce: Scheduler = { nowMs: () => 0, delay: async () => {} }

function world(options: Partial<WriterOptions> = {}) {
  const log = createMemoryLog()
  const store = createMemoryStore<PileEvent, Pile, Row, Outcome>(decider.keyOfRow)
  const batches: CommittedBatch<Pile, Outcome>[] = []
  const segments: OutboxSegment[] = []
  const modes: WriterMode[] = []
  const faults: string[] = []
  const publisher: EventPublisher = {
    open: () => {},
    committed: (_id, segment) => segments.push(segment),
    release: async () => {},
  }
  const start = () => {
    const reader = log.reader()
    const deps = {
      decider,
      binding,
      store,
      publisher,
      scheduler: atOnce,
      sink: { committed: (batch: CommittedBatch<Pile, Outcome>) => void batches.push(batch) },
      observer: {
        mode: (_id: unknown, mode: WriterMode) => void modes.push(mode),
        fault: (_id: unknown, error: unknown) => void faults.push(String(error)),
        committed: () => {},
      },
    }
    return { reader, writer: startPartitionWriter(id, reader, deps, { ...defaultWriterOptions, ...options }) }
  }
  const put = (name: string, units = 1, key = 'k', more: object = {}) =>
    log.append(JSON.stringify({ type: 'put', id: name, key, units, ...more }))
  const take = (name: string, more: object = {}) =>
    log.append(JSON.stringify({ type: 'take', id: name, key: 'k', units: 0, ...more }))
  const applied = (offset: number) => vi.waitFor(() => expect(store.progress(id).nextOffset).toBe(offset))
  const replies = () =>
    batches.flatMap((batch) => batch.replies.map((reply) => [reply.commandId, reply.outcome.code]))
  return { log, store, batches, segments, modes, faults, start, put, take, applied, replies }
}

/** Every version of every key once and in order, state equal to the sum of the ledger. */
function expectConsistent({ store }: ReturnType<typeof world>): void {
  const versions = new Map<string, number>()
  const sums = new Map<string, number>()
  for (const { key, event, after } of store.ledger) {
    expect(after.version).toBe((versions.get(key) ?? 0) + 1)
    versions.set(key, after.version)
    const change = event.type === 'put' ? event.units : event.type === 'take' ? -event.units : 0
    sums.set(key, (sums.get(key) ?? 0) + change)
  }
  for (const [key, header] of store.headers) {
    expect(header).toEqual({ version: versions.get(key), units: sums.get(key) })
  }
}

describe('a writer', () => {
  test('applies commands in offset order and tells only after the commit', async () => {
    const w = world()
    w.put('a', 5, 'k', { reply_to: 'api' })
    w.put('b', 3)
    w.put('c', 99, 'k', { reply_to: 'api' })
    const { writer, reader } = w.start()
    await w.applied(3)
    await writer.close()
    expect(w.store.headers.get('k')).toEqual({ units: 8, version: 2 })
    expect(w.replies()).toEqual([
      ['a', 'at 1800000000000'],
      ['c', 'full'],
    ])
    expect(w.segments.flatMap((segment) => segment.messages.map((message) => message.value))).toEqual([
      '1 put v1',
      '2 put v2',
      '3 refused v2',
    ])
    expect(reader.acknowledged).toBe(3)
    expectConsistent(w)
  })

  test('refuses repeats within a batch, across the batch in flight, and across restarts', async () => {
    const w = world({ batchRecordsMax: 2 })
    for (const name of ['a', 'a', 'a', 'b', 'a', 'b']) w.put(name, 5)
    const first = w.start()
    await w.applied(6)
    await first.writer.close()
    w.put('a', 5)
    const second = w.start()
    await w.applied(7)
    await second.writer.close()
    expect(w.store.headers.get('k')).toEqual({ units: 10, version: 2 })
    expectConsistent(w)
  })

  test('finds the key of a command by its row, also when the row is in the batch in flight', async () => {
    const w = world({ batchRecordsMax: 1 })
    w.put('a', 5)
    w.take('a', { reply_to: 'api' })
    w.take('a', { reply_to: 'api' })
    w.take('unknown', { reply_to: 'api' })
    const { writer } = w.start()
    await w.applied(4)
    await writer.close()
    expect(w.replies().map(([, code]) => code)).toEqual(['taken', 'nothing', 'nothing'])
    expect(w.store.headers.get('k')).toEqual({ units: 0, version: 2 })
  })

  test('remembers the outcome of what is idempotent neither by id nor by state', async () => {
    const w = world({ batchRecordsMax: 2 })
    const stir = JSON.stringify({ type: 'stir', id: 's', key: 'k', units: 0, reply_to: 'api' })
    for (let i = 0; i < 5; i++) w.log.append(stir)
    const { writer } = w.start()
    await w.applied(5)
    await writer.close()
    expect(w.store.headers.get('k')?.version).toBe(1)
    expect(w.replies()).toHaveLength(5)
  })

  test('never lets time go back', async () => {
    const w = world({ batchRecordsMax: 1 })
    const at = (name: string, timeMs: number) =>
      w.log.append(JSON.stringify({ type: 'put', id: name, key: 'k', units: 1, reply_to: 'api' }), timeMs)
    at('a', 2000)
    at('b', 1000)
    at('c', 3000)
    const { writer } = w.start()
    await w.applied(3)
    await writer.close()
    expect(w.replies().map(([, code]) => code)).toEqual(['at 2000', 'at 2000', 'at 3000'])
  })

  test('asks the store for a cached key only once', async () => {
    const w = world()
    const { writer } = w.start()
    for (let i = 0; i < 5; i++) {
      w.put(`row-${i}`)
      await w.applied(i + 1)
    }
    await writer.close()
    expect(w.store.prefetchedKeys).toEqual(['k'])
  })

  test('commits the batch in hand when it is closed', async () => {
    const w = world()
    const held = Promise.withResolvers<void>()
    w.store.beforeCommit = () => held.promise
    w.put('a')
    const { writer } = w.start()
    await vi.waitFor(() => expect(w.store.prefetchedKeys).toEqual(['k']))
    const closing = writer.close()
    held.resolve()
    await closing
    expect(w.store.progress(id).nextOffset).toBe(1)
  })
})

describe('the fence', () => {
  test('lets one of two writers of a partition commit, and ends the other', async () => {
    const w = world({ batchRecordsMax: 10 })
    const [one, two] = [w.start(), w.start()]
    for (let i = 0; i < 200; i++) w.put(`row-${i % 150}`, 0)
    const ended = await Promise.race([one.writer.ended, two.writer.ended])
    expect(ended).toBe('fenced')
    await w.applied(200)
    await Promise.all([one.writer.close(), two.writer.close()])
    expect(w.store.ledger).toHaveLength(150)
    expectConsistent(w)
  })

  test('a fenced writer publishes nothing of what it decided', async () => {
    const w = world()
    w.store.beforeCommit = () => {
      throw new FencedError('somebody else')
    }
    w.put('a', 1, 'k', { reply_to: 'api' })
    expect(await w.start().writer.ended).toBe('fenced')
    expect([w.batches, w.segments]).toEqual([[], []])
  })
})

describe('a commit whose outcome is unknown', () => {
  test.each(['before', 'after'] as const)(
    'that broke %s the commit is found out and takes effect once',
    async (when) => {
      const w = world({ batchRecordsMax: 2 })
      let broken = 0
      const breakDown = () => {
        if (broken++ % 2 === 0) throw new Error('connection lost')
      }
      if (when === 'before') w.store.beforeCommit = breakDown
      else w.store.afterCommit = breakDown
      for (let i = 0; i < 9; i++) w.put(`row-${i}`, 1)
      const { writer } = w.start()
      await w.applied(9)
      await writer.close()
      expect(w.store.headers.get('k')).toEqual({ units: 9, version: 9 })
      expect(w.faults.length).toBeGreaterThan(2)
      expectConsistent(w)
    },
  )

  test('wakes a writer that waits for records', async () => {
    const w = world()
    let attempts = 0
    w.store.beforeCommit = () => {
      if (attempts++ < 3) throw new Error('connection lost')
    }
    w.put('a')
    const { writer } = w.start()
    await w.applied(1)
    await writer.close()
    expect(w.modes.filter((mode) => mode === 'opening')).toHaveLength(4)
  })
})

describe('what cannot be applied', () => {
  test('a malformed or misrouted record goes to the dead letters, the rest of the batch is committed', async () => {
    const w = world()
    w.put('a')
    w.log.append('poison')
    w.put('b', 1, 'elsewhere')
    w.put('c')
    const { writer } = w.start()
    await w.applied(4)
    await writer.close()
    expect(w.store.deadLetters.map(({ offset, code }) => [offset, code])).toEqual([
      [1, 'malformed'],
      [2, 'misrouted'],
    ])
    expect(w.store.headers.get('k')?.units).toBe(2)
  })

  test('a data error is bisected to the one culprit', async () => {
    const w = world({ batchRecordsMax: 64 })
    w.store.beforeCommit = (effects) => {
      for (const rowId of effects.rows.keys())
        if (rowId === 'row-37' || rowId === 'row-38') throw new DataError('bad')
    }
    for (let i = 0; i < 150; i++) w.put(`row-${i}`, 0)
    const { writer } = w.start()
    await w.applied(150)
    await writer.close()
    expect(w.store.deadLetters.map(({ offset, code }) => [offset, code])).toEqual([
      [37, 'data-error'],
      [38, 'data-error'],
    ])
    expect(w.store.rows.size).toBe(148)
    expectConsistent(w)
  })

  test('a newer schema halts the partition behind what came before', async () => {
    const w = world()
    w.put('a')
    w.log.append('newer')
    w.put('b')
    expect(await w.start().writer.ended).toBe('halted')
    expect(w.store.progress(id).nextOffset).toBe(1)
    expect(w.store.deadLetters).toEqual([])
  })
})

describe('the log under a writer', () => {
  test('may deliver again, and leave holes that close', async () => {
    const w = world()
    w.put('a')
    const { writer, reader } = w.start()
    await w.applied(1)
    for (const name of ['b', 'c', 'd']) w.put(name)
    await w.applied(4)
    w.put('e')
    reader.deliver(w.log.records.slice(0, 3))
    w.put('f')
    reader.deliver(w.log.records.slice(5))
    await w.applied(6)
    await writer.close()
    expect(w.store.rows.size).toBe(6)
  })

  test('with a hole that stays halts the partition', async () => {
    const w = world()
    w.put('a')
    w.put('b')
    w.put('c')
    w.log.records.splice(1, 1)
    expect(await w.start().writer.ended).toBe('halted')
    expect(w.store.progress(id).nextOffset).toBe(1)
  })

  test('that lost its tail halts a new writer, also after it has grown again', async () => {
    const w = world()
    for (const name of ['a', 'b', 'c']) w.put(name)
    const first = w.start()
    await w.applied(3)
    await first.writer.close()
    w.log.records.pop()
    expect(await w.start().writer.ended).toBe('halted')
    w.put('x')
    w.put('y')
    expect(await w.start().writer.ended).toBe('halted')
    expect(w.faults.join()).toContain('not the one that was applied')
    expect(w.store.rows.has('y')).toBe(false)
  })

  test('may have removed what was applied, but not what was not', async () => {
    const w = world()
    for (const name of ['a', 'b', 'c']) w.put(name)
    const first = w.start()
    await w.applied(3)
    await first.writer.close()
    w.put('d')
    w.log.records.splice(0, 3)
    const second = w.start()
    await w.applied(4)
    await second.writer.close()
    w.put('e')
    w.put('f')
    w.log.records.splice(0, 2)
    expect(await w.start().writer.ended).toBe('halted')
  })
})
