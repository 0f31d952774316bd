/** A writer of a domain as small as can be, over twins of its ports. */
import { setTimeout } from 'node:timers/promises'
import { createMemoryDatabase, createMemoryLog, directWire, type Wire } from '@ironsys/testing/twins'
import { expect, vi } from 'vitest'
import type { Binding } from './batch.ts'
import type { Command, Decider, DomainEvent, Header } from './decider.ts'
import { startPartitionWriter } from './partition-writer.ts'
import type { BatchEffects, CommittedBatch, EventPublisher, OutboxSegment, Scheduler } from './ports.ts'
import { defaultWriterOptions, type WriterMode, type WriterOptions } from './writer-interface.ts'

// Piles of units. `put` makes a row, `take` removes it by row id, `stir` is remembered.
interface Pile extends Header {
  readonly units: number
}
interface Row {
  readonly key: string
  readonly units: number
  readonly taken: boolean
}
interface PileCommand extends Command {
  /** `break` is a decision that goes wrong. */
  readonly type: 'put' | 'take' | 'stir' | 'break'
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
    if (command.type === 'break') throw new Error('broken')
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

export const id = { topic: 'piles', partition: 0 }

const COMMIT_MS = 5

/** A real commit outlasts the prefetch of the next batch, which then sees the state before it. */
export const slowCommits: Wire = async (request, work) => {
  if (request === 'commit') await setTimeout(COMMIT_MS)
  return directWire(request, work)
}

type Effects = BatchEffects<PileEvent, Pile, Row, Outcome>

interface WorldOptions extends Partial<WriterOptions> {
  /** What the database refuses beyond what it always refuses. */
  readonly refuses?: (effects: Effects) => string | null
}

export function world({ refuses = () => null, ...options }: WorldOptions = {}) {
  const log = createMemoryLog()
  const database = createMemoryDatabase({ keyOfRow: decider.keyOfRow, refuses })
  /** What happens to requests to the database; a test puts its own faults in. */
  const network: { wire: Wire } = { wire: slowCommits }
  const connected = database.connect({ clusterId: 'cluster', partitionCount: 2 }, (request, work) =>
    network.wire(request, work),
  )
  const prefetchedKeys: string[] = []
  const store: typeof connected = {
    ...connected,
    prefetch: (request) => {
      prefetchedKeys.push(...request.keys)
      return connected.prefetch(request)
    },
  }
  const batches: CommittedBatch<Pile, Outcome>[] = []
  const segments: OutboxSegment[] = []
  const modes: WriterMode[] = []
  const faults: string[] = []
  const delaysMs: number[] = []
  const scheduler: Scheduler = { nowMs: () => 0, delay: async (ms) => void delaysMs.push(ms) }
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
  const applied = (offset: number) => vi.waitFor(() => expect(database.progress(id).nextOffset).toBe(offset))
  const replies = () =>
    batches.flatMap((batch) => batch.replies.map((reply) => [reply.to, reply.outcome.code]))
  const observed = { batches, segments, modes, faults, delaysMs, prefetchedKeys }
  return { log, database, network, ...observed, start, put, take, applied, replies }
}

/** Every version of every key once and in order, state equal to the sum of the ledger. */
export function expectConsistent({ database }: ReturnType<typeof world>): void {
  const versions = new Map<string, number>()
  const sums = new Map<string, number>()
  for (const { key, event, after } of database.ledger) {
    expect(after.version).toBe((versions.get(key) ?? 0) + 1)
    versions.set(key, after.version)
    const change = event.type === 'put' ? event.units : event.type === 'take' ? -event.units : 0
    sums.set(key, (sums.get(key) ?? 0) + change)
  }
  for (const [key, header] of database.headers) {
    expect(header).toEqual({ version: versions.get(key), units: sums.get(key) })
  }
}
