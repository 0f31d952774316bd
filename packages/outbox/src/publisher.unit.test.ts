import { setImmediate } from 'node:timers/promises'
import type { OutboxSegment, OutgoingMessage } from '@ironsys/engine'
import { createMemoryDatabase } from '@ironsys/testing/twins'
import { describe, expect, test, vi } from 'vitest'
import { createPublisher, defaultPublisherOptions, type PublisherOptions } from './publisher.ts'

const id = { topic: 'things', partition: 3 }

/** A segment of `count` events that starts at `firstSeq`, `followUps` commands behind each. */
function segment(firstSeq: number, count = 1, followUps = 0): OutboxSegment {
  const messages = Array.from({ length: count }, (_, i): OutgoingMessage[] => {
    const event = { topic: 'events', partition: id.partition, key: 'k', value: String(firstSeq + i) }
    const commands = Array.from({ length: followUps }, (_, j) => {
      return { topic: 'commands', partition: j, key: `k${j}`, value: `${firstSeq + i}.${j}` }
    })
    return [event, ...commands]
  })
  return { firstSeq, lastSeq: firstSeq + count - 1, messages: messages.flat() }
}

const noLists = {
  keyOfRow: () => 'k',
  rowId: () => 'row',
  listsOf: () => [],
  standingLists: [],
  dueAtOfHeader: () => null,
}

function world(options: Partial<PublisherOptions> = {}) {
  const database = createMemoryDatabase({ decider: noLists })
  const store = database.connect({ clusterId: 'cluster', partitionCount: 4 })
  /** The numbers of the events. */
  const sent: number[] = []
  /** The values of the commands. */
  const commands: string[] = []
  const faults: string[] = []
  const sink = {
    send: async (messages: readonly OutgoingMessage[]) => {
      for (const { topic, value } of messages) {
        if (topic === 'events') sent.push(Number(value))
        else commands.push(value)
      }
    },
  }
  const publisher = createPublisher(
    {
      store,
      events: { send: (messages) => sink.send(messages) },
      scheduler: { nowMs: () => Date.now(), delay: () => setImmediate() },
      observer: { pending: () => {}, fault: (_id, error) => void faults.push(String(error)) },
    },
    { ...defaultPublisherOptions, removeEveryMs: 1, ...options },
  )
  /** As the writer does: committed to the table first, then told. */
  const commit = async (of: OutboxSegment, tell = true): Promise<void> => {
    const from = await store.open(id)
    const to = { ...from, nextOffset: from.nextOffset + 1, eventSeq: of.lastSeq }
    const none = {
      headers: new Map(),
      rows: new Map(),
      removedKeys: new Set<string>(),
      ledger: [],
      remembered: [],
      deadLetters: [],
    }
    await store.commit({ id, from, to, segment: of, ...none })
    if (tell) publisher.committed(id, of)
  }
  const left = () => database.outbox(id)
  const sentAll = (upTo: number) => vi.waitFor(() => expect(new Set(sent).size).toBe(upTo))
  return { store, sent, commands, faults, sink, publisher, commit, left, sentAll }
}

/** First occurrences are in order and without gaps; repeats are allowed (I8). */
function expectInOrder(sent: readonly number[], upTo: number): void {
  expect([...new Set(sent)]).toEqual(Array.from({ length: upTo }, (_, i) => i + 1))
}

describe('the publisher', () => {
  test('sends in order and removes what is sent', async () => {
    const w = world()
    w.publisher.open(id)
    for (let seq = 1; seq < 100; seq += 3) await w.commit(segment(seq, 3))
    await w.sentAll(99)
    await w.publisher.release(id)
    expectInOrder(w.sent, 99)
    expect(w.left()).toEqual([])
  })

  test('first sends what an earlier owner left', async () => {
    const w = world()
    await w.commit(segment(1, 2), false)
    await w.commit(segment(3, 2), false)
    w.publisher.open(id)
    await w.commit(segment(5))
    await w.sentAll(5)
    expectInOrder(w.sent, 5)
    await w.publisher.release(id)
  })

  test('tries again until the log takes it, and skips nothing', async () => {
    const w = world()
    const { send } = w.sink
    let attempts = 0
    w.sink.send = async (messages) => {
      attempts++
      if (attempts % 3 === 0) await send(messages)
      if (attempts % 3 !== 1) return Promise.reject(new Error('outcome unknown'))
      await send(messages)
    }
    w.publisher.open(id)
    for (let seq = 1; seq <= 20; seq++) await w.commit(segment(seq))
    await w.sentAll(20)
    await w.publisher.release(id)
    expectInOrder(w.sent, 20)
    expect(w.faults.length).toBeGreaterThan(0)
  })

  test('holds a bounded number of segments in memory and reads the rest back', async () => {
    const w = world({ queuedMessagesMax: 4, loadedSegmentsMax: 4, sentMessagesMax: 2 })
    const { send } = w.sink
    const gate = Promise.withResolvers<void>()
    w.sink.send = async (messages) => {
      await gate.promise
      await send(messages)
    }
    w.publisher.open(id)
    for (let seq = 1; seq <= 50; seq++) await w.commit(segment(seq))
    gate.resolve()
    await w.sentAll(50)
    await w.publisher.release(id)
    expectInOrder(w.sent, 50)
    expect(w.left()).toEqual([])
  })

  test('sends the commands that follow from events in order too, and removes them with their segment', async () => {
    const w = world()
    w.publisher.open(id)
    for (let seq = 1; seq <= 9; seq += 3) await w.commit(segment(seq, 3, 2))
    await w.sentAll(9)
    await w.publisher.release(id)
    expectInOrder(w.sent, 9)
    expect([...new Set(w.commands)]).toEqual(w.sent.flatMap((seq) => [`${seq}.0`, `${seq}.1`]))
    expect(w.left()).toEqual([])
  })

  test('counts commands too in what it keeps and in what it sends at once', async () => {
    // One event and three commands each: two segments fill the memory, one the request.
    const w = world({ queuedMessagesMax: 8, loadedSegmentsMax: 50, sentMessagesMax: 7 })
    const { send } = w.sink
    const gate = Promise.withResolvers<void>()
    const sizes: number[] = []
    w.sink.send = async (messages) => {
      sizes.push(messages.length)
      await gate.promise
      await send(messages)
    }
    const read = vi.spyOn(w.store, 'pendingSegments')
    w.publisher.open(id)
    await w.commit(segment(1, 1, 3))
    await vi.waitFor(() => expect(sizes).toEqual([4]))
    read.mockClear()
    for (let seq = 2; seq <= 5; seq++) await w.commit(segment(seq, 1, 3))
    gate.resolve()
    await w.sentAll(5)
    await w.publisher.release(id)
    expectInOrder(w.sent, 5)
    expect(Math.max(...sizes)).toBe(4)
    // Segments 1 and 2 are in memory; what came after them is read back.
    expect(read.mock.calls[0]).toEqual([id, 2, 50])
  })

  test('misses nothing that is committed while it reads the table', async () => {
    const w = world()
    const read = w.store.pendingSegments.bind(w.store)
    const gate = Promise.withResolvers<void>()
    let reads = 0
    w.store.pendingSegments = async (...args) => {
      const segments = await read(...args)
      if (reads++ === 0) await gate.promise
      return segments
    }
    await w.commit(segment(1), false)
    w.publisher.open(id)
    await vi.waitFor(() => expect(reads).toBe(1))
    await w.commit(segment(2))
    gate.resolve()
    await w.sentAll(2)
    await w.publisher.release(id)
    expectInOrder(w.sent, 2)
  })

  test('misses no commit of unknown outcome that it is opened again for while it reads the table', async () => {
    const w = world()
    const read = w.store.pendingSegments.bind(w.store)
    const gate = Promise.withResolvers<void>()
    let reads = 0
    w.store.pendingSegments = async (...args) => {
      const segments = await read(...args)
      if (reads++ === 0) await gate.promise
      return segments
    }
    w.publisher.open(id)
    await vi.waitFor(() => expect(reads).toBe(1))
    await w.commit(segment(1), false)
    w.publisher.open(id)
    gate.resolve()
    await w.sentAll(1)
    await w.commit(segment(2))
    await w.sentAll(2)
    await w.publisher.release(id)
    expectInOrder(w.sent, 2)
  })

  test('that is released leaves the rest in the table for the next owner', async () => {
    const w = world()
    w.sink.send = () => Promise.reject(new Error('down'))
    w.publisher.open(id)
    await w.commit(segment(1))
    await vi.waitFor(() => expect(w.faults.length).toBeGreaterThan(0))
    await w.publisher.release(id)
    expect(w.left()).toHaveLength(1)
  })

  test('opened again after a fault sends what was committed without its knowing', async () => {
    const w = world()
    w.publisher.open(id)
    await w.commit(segment(1))
    await w.sentAll(1)
    await w.commit(segment(2), false)
    w.publisher.open(id)
    await w.commit(segment(3))
    await w.sentAll(3)
    expectInOrder(w.sent, 3)
    await w.publisher.release(id)
  })
})
