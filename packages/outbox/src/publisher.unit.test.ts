import { setImmediate } from 'node:timers/promises'
import type { OutboxSegment, OutgoingMessage } from '@ironsys/engine'
import { createMemoryDatabase } from '@ironsys/testing/twins'
import { describe, expect, test, vi } from 'vitest'
import { createPublisher, defaultPublisherOptions, type PublisherOptions } from './publisher.ts'

const id = { topic: 'things', partition: 3 }

/** A segment of `count` events that starts at `firstSeq`. */
function segment(firstSeq: number, count = 1): OutboxSegment {
  const messages = Array.from({ length: count }, (_, i): OutgoingMessage => {
    return { topic: 'events', partition: id.partition, key: 'k', value: String(firstSeq + i) }
  })
  return { firstSeq, lastSeq: firstSeq + count - 1, messages }
}

function world(options: Partial<PublisherOptions> = {}) {
  const database = createMemoryDatabase({ keyOfRow: () => 'k' })
  const store = database.connect({ clusterId: 'cluster', partitionCount: 4 })
  const sent: number[] = []
  const faults: string[] = []
  const sink = {
    send: async (messages: readonly OutgoingMessage[]) =>
      void sent.push(...messages.map((m) => Number(m.value))),
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
    const none = { headers: new Map(), rows: new Map(), ledger: [], remembered: [], deadLetters: [] }
    await store.commit({ id, from, to, segment: of, ...none })
    if (tell) publisher.committed(id, of)
  }
  const left = () => database.outbox(id)
  const sentAll = (upTo: number) => vi.waitFor(() => expect(new Set(sent).size).toBe(upTo))
  return { store, sent, faults, sink, publisher, commit, left, sentAll }
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
    const w = world({ queuedEventsMax: 4, loadedSegmentsMax: 4, sentEventsMax: 2 })
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
