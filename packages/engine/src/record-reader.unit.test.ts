import { createMemoryLog } from '@ironsys/testing/twins'
import { expect, test } from 'vitest'
import type { LogRecord, PartitionLog } from './ports.ts'
import { createRecordReader } from './record-reader.ts'

test('an interrupt between two waits of one take is not lost', async () => {
  const log = createMemoryLog()
  log.append('a')
  const applied = log.records.slice(0, 1)
  const delivered = Promise.withResolvers<readonly LogRecord[]>()
  let reads = 0
  const source: PartitionLog = {
    bounds: async () => ({ low: 0, high: 1 }),
    seek: () => {},
    acknowledge: () => {},
    // First a redelivery of what is applied, then nothing for ever.
    next: () => (reads++ === 0 ? delivered.promise : new Promise(() => {})),
  }
  const reader = createRecordReader(source, 10)
  const taken = reader.take(1, 10)
  delivered.resolve(applied)
  await delivered.promise
  reader.interrupt()
  expect(await taken).toBeNull()
})

test('what an interrupted take was waiting for is there for the next one', async () => {
  const log = createMemoryLog()
  const reader = createRecordReader(log.reader(), 10)
  reader.seek(0)
  const taken = reader.take(0, 10)
  reader.interrupt()
  expect(await taken).toBeNull()
  log.append('a')
  expect((await reader.take(0, 10))?.map((record) => record.offset)).toEqual([0])
})

test('what is applied is skipped, wherever an answer begins', async () => {
  const log = createMemoryLog()
  for (let offset = 0; offset < 8; offset++) log.append(`${offset}`)
  const source = log.reader()
  const reader = createRecordReader(source, 10)
  const take = async (from: number, max: number) =>
    (await reader.take(from, max))?.map(({ offset }) => offset)
  reader.seek(0)
  expect(await take(2, 2)).toEqual([2, 3])
  // Out of what was read before, then out of what is delivered again.
  expect(await take(6, 1)).toEqual([6])
  expect(await take(7, 1)).toEqual([7])
  log.append('8')
  source.deliver(log.records.slice(5))
  expect(await take(8, 10)).toEqual([8])
})
