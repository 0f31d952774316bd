import { expect, test } from 'vitest'
import {
  type Entry,
  messageBytes,
  type PartitionQueue,
  putBack,
  takeBatch,
  takeExpired,
  takeRequest,
} from './produce-queue.ts'

const limits = { maxBatchMessages: 3, maxBatchBytes: 1000, maxRequestBytes: 2000 }

function entry(sequence: number, bytes = 100): Entry {
  return {
    message: { key: 'k', value: String(sequence), partition: 0 },
    bytes,
    sequence,
    deadlineMs: sequence,
    resolve: () => {},
    reject: () => {},
    requestsBefore: null,
    settled: false,
  }
}

function queue(...entries: Entry[]): PartitionQueue {
  return { topic: 't', partition: 0, entries, failures: 0 }
}

const sequences = (entries: readonly Entry[]) => entries.map(({ sequence }) => sequence)

test('counts bytes, not characters, and the record around them', () => {
  expect(messageBytes('ä', '€')).toBe(2 + 3 + 32)
})

test('takes the oldest first, up to the number of messages', () => {
  const q = queue(entry(1), entry(2), entry(3), entry(4))
  expect(sequences(takeBatch(q, limits, 10_000))).toEqual([1, 2, 3])
  expect(sequences(q.entries)).toEqual([4])
})

test('takes up to the number of bytes, and one message however large', () => {
  const q = queue(entry(1, 600), entry(2, 600), entry(3, 5000))
  expect(sequences(takeBatch(q, limits, 10_000))).toEqual([1])
  expect(sequences(takeBatch(q, limits, 10_000))).toEqual([2])
  expect(sequences(takeBatch(q, limits, 10_000))).toEqual([3])
  expect(takeBatch(q, limits, 10_000)).toEqual([])
})

test('a request takes from every queue, and a full queue goes to the end of the line', () => {
  const first = queue(entry(1), entry(2), entry(3), entry(4))
  const second = queue(entry(5))
  const ready = new Set([first, second])
  const batches = takeRequest(ready, limits)
  expect(batches.map(({ entries }) => sequences(entries))).toEqual([[1, 2, 3], [5]])
  expect([...ready]).toEqual([first])
})

test('a request stays within its bytes', () => {
  const ready = new Set([
    queue(entry(1, 900)),
    queue(entry(2, 900)),
    queue(entry(3, 900)),
    queue(entry(4, 900)),
  ])
  const batches = takeRequest(ready, limits)
  expect(batches.map(({ entries }) => sequences(entries))).toEqual([[1], [2], [3]])
  expect(ready.size).toBe(1)
})

test('what comes back keeps its place, without what is settled', () => {
  const q = queue(entry(5), entry(6))
  const settled = entry(2)
  settled.settled = true
  putBack(q, [entry(3), entry(4)])
  putBack(q, [entry(1), settled])
  expect(sequences(q.entries)).toEqual([1, 3, 4, 5, 6])
})

test('takes out what is overdue, oldest first', () => {
  const q = queue(entry(1), entry(2), entry(3))
  expect(takeExpired(q, 0)).toEqual([])
  expect(sequences(takeExpired(q, 2))).toEqual([1, 2])
  expect(sequences(takeExpired(q, 10))).toEqual([3])
  expect(takeExpired(q, 10)).toEqual([])
})
