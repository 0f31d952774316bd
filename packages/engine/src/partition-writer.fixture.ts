/** A writer of a domain as small as can be, over twins of its ports. */
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { createMemoryDatabase, createMemoryLog, directWire, type Wire } from '@ironsys/testing/twins'
import { expect, vi } from 'vitest'
import type { Binding } from './batch-interface.ts'
import { type Command, type Decider, type DomainEvent, DUE_LIST, type Header } from './decider.ts'
import { startPartitionWriter } from './partition-writer.ts'
import type { BatchEffects, CommittedBatch, EventPublisher, OutboxSegment, Scheduler } from './ports.ts'
import { defaultWriterOptions, type WriterMode, type WriterOptions } from './writer-interface.ts'

// Piles of units. `put` makes a row, `take` removes it by row id, `stir` is remembered, `drop` removes a pile. What is
// put with an end `rots` when that has come: each row is a step of the next command.
interface Pile extends Header {
  readonly units: number
  /** Rows with an end; absent where there are none. */
  readonly perishable?: number
}
interface Row {
  readonly id: string
  readonly key: string
  readonly units: number
  readonly taken: boolean
  /** Unix milliseconds. */
  readonly endMs?: number | undefined
}
interface PileCommand extends Command {
  /** `break` is a decision that goes wrong, `wake` one that only looks. */
  readonly type: 'put' | 'take' | 'stir' | 'break' | 'wake' | 'drop'
  readonly key: string
  readonly units: number
  readonly endMs?: number
}
interface PileEvent extends DomainEvent {
  readonly type: 'put' | 'take' | 'stir' | 'refused' | 'rot' | 'drop'
  readonly endMs?: number | undefined
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
  rowId: (row) => row.id,
  listsOf: ({ taken, endMs }) => (taken || endMs === undefined ? [] : [{ list: DUE_LIST, at: endMs }]),
  standingLists: [DUE_LIST],
  openLists: ({ perishable }) => (perishable === undefined ? [] : [DUE_LIST]),
  dueAtOfHeader: () => null,
  codeOf: (outcome) => outcome.code,
  repeat: (_command, outcome) => outcome,
  decide: (view, command, atMs) => {
    const row = view.row(command.id)
    const units = view.header?.units ?? 0
    if (command.type === 'break') throw new Error('broken')
    for (const rotten of view.header?.perishable === undefined ? [] : view.list(DUE_LIST, atMs)) {
      return { step: [{ type: 'rot', rowId: rotten.id, key: rotten.key, units: rotten.units }] }
    }
    if (command.type === 'wake') return { events: [], outcome: { code: `woken after ${view.steps}`, units } }
    const event = {
      type: command.type,
      rowId: command.id,
      key: command.key,
      units: command.units,
      endMs: command.endMs,
    }
    if (command.type === 'drop') {
      return { events: [{ ...event, rowId: null }], outcome: { code: 'dropped', units } }
    }
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
    const perishable = header?.perishable ?? 0
    const id = event.rowId ?? ''
    switch (event.type) {
      case 'put': {
        const { key, endMs } = event
        const made =
          endMs === undefined ? { id, key, units: event.units } : { id, key, units: event.units, endMs }
        return {
          header: pile(version, units + event.units, perishable + (endMs === undefined ? 0 : 1)),
          row: { ...made, taken: false },
        }
      }
      case 'take':
      case 'rot': {
        const left = perishable - (row?.endMs === undefined ? 0 : 1)
        return { header: pile(version, units - event.units, left), row: row && { ...row, taken: true } }
      }
      case 'stir':
        return { header: pile(version, units, perishable), row }
      case 'refused':
        return { header, row: { id, key: event.key, units: 0, taken: true } }
      case 'drop':
        return { header: null, row: undefined }
    }
  },
}

function pile(version: number, units: number, perishable: number): Pile {
  return perishable === 0 ? { units, version } : { units, version, perishable }
}

const binding: Binding<PileEvent> = {
  eventsTopic: 'events',
  partitionOfKey: (key) => (key === 'elsewhere' ? 1 : 0),
  toMessage: (id, key, event, { seq, version }) => ({
    topic: 'events',
    partition: id.partition,
    key,
    value: `${seq} ${event.type} v${version}`,
  }),
  followUps: (key, event, { seq }) =>
    event.type === 'rot' ? [{ topic: 'compost', partition: 0, key, value: `after ${seq}` }] : [],
  wakeCommand: (key, atMs) => JSON.stringify({ type: 'wake', id: `wake ${atMs}`, key, units: 0 }),
}

export const id = { topic: 'piles', partition: 0 }

const COMMIT_MS = 5
const DEADLINE = { timeout: 10_000 }

/** A real commit outlasts the prefetch of the next batch, which then sees the state before it. */
export const slowCommits: Wire = async (request, work) => {
  if (request.startsWith('commit')) await setTimeout(COMMIT_MS)
  return directWire(request, work)
}

type Effects = BatchEffects<PileEvent, Pile, Row, Outcome>

interface WorldOptions extends Partial<WriterOptions> {
  /** What the database refuses beyond what it always refuses. */
  readonly refuses?: (effects: Effects) => string | null
}

export function world({ refuses = () => null, ...options }: WorldOptions = {}) {
  const log = createMemoryLog()
  const database = createMemoryDatabase({ decider, refuses })
  /** What happens to requests to the database; a test puts its own faults in. */
  const network: { wire: Wire } = { wire: slowCommits }
  const connected = database.connect({ clusterId: 'cluster', partitionCount: 2 }, (request, work) =>
    network.wire(request, work),
  )
  const prefetchedKeys: string[] = []
  const prefetchedRowIds: string[] = []
  const store: typeof connected = {
    ...connected,
    prefetch: (request) => {
      prefetchedKeys.push(...request.keys)
      prefetchedRowIds.push(...request.rowIds)
      return connected.prefetch(request)
    },
  }
  const batches: CommittedBatch<Pile, Outcome>[] = []
  const segments: OutboxSegment[] = []
  const modes: WriterMode[] = []
  const faults: string[] = []
  const delaysMs: number[] = []
  // Waiting takes no time, but the clock moves on; what an alarm waits for longer than a retry never comes by itself.
  let nowMs = 0
  const scheduler: Scheduler = {
    nowMs: () => nowMs,
    delay: async (ms, signal) => {
      if (ms > defaultWriterOptions.retryDelayMaxMs) {
        await once(signal, 'abort')
        return
      }
      nowMs += ms
      delaysMs.push(ms)
    },
  }
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
      scheduler,
      appender: {
        append: async (_id: unknown, key: string, value: string) => ({
          offset: log.append(value, undefined, key),
          timeMs: 0,
        }),
      },
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
  const applied = (offset: number) =>
    vi.waitFor(() => expect(database.progress(id).nextOffset).toBe(offset), DEADLINE)
  const replies = () =>
    batches.flatMap((batch) => batch.replies.map((reply) => [reply.to, reply.outcome.code]))
  const observed = { batches, segments, modes, faults, delaysMs, prefetchedKeys, prefetchedRowIds }
  /** At a log time: `wake`, `stir` and `drop` of the pile k. */
  const send = (type: PileCommand['type'], timeMs: number, more: object = {}) =>
    log.append(JSON.stringify({ type, id: `${type} ${timeMs}`, key: 'k', units: 0, ...more }), timeMs)
  return { log, database, network, ...observed, start, put, take, send, applied, replies }
}

/** Every version of every key once and in order, state equal to the sum of the ledger. */
export function expectConsistent({ database }: ReturnType<typeof world>): void {
  const versions = new Map<string, number>()
  const sums = new Map<string, number>()
  for (const { key, event, after } of database.ledger) {
    expect(after.version).toBe((versions.get(key) ?? 0) + 1)
    versions.set(key, after.version)
    const isOut = event.type === 'take' || event.type === 'rot'
    const change = event.type === 'put' ? event.units : isOut ? -event.units : 0
    sums.set(key, (sums.get(key) ?? 0) + change)
  }
  for (const [key, header] of database.headers) {
    expect(header).toMatchObject({ version: versions.get(key), units: sums.get(key) })
  }
}
