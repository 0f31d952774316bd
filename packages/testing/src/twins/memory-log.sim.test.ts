import { expect, test } from 'vitest'
import { logContract } from '../contract-suites/index.ts'
import { createMemoryLog } from './memory-log.ts'
import type { Wire } from './wire.ts'

logContract(async () => {
  const log = createMemoryLog()
  return {
    append: async (value, key = null) => {
      const offset = log.append(value, undefined, key)
      return { offset, timeMs: log.records.at(-1)?.timeMs ?? 0 }
    },
    removeBefore: async (offset) => log.removeBefore(offset),
    reader: async () => {
      const reader = log.reader()
      return { log: reader, revoke: async () => reader.close() }
    },
    close: async () => {},
  }
})

const text = (offset: number) => `${offset}`

test('a log that loses its tail gives its offsets out again', async () => {
  const log = createMemoryLog()
  for (let offset = 0; offset < 5; offset++) log.append(text(offset))
  const reader = log.reader()
  log.truncate(3)
  expect(await reader.bounds()).toEqual({ low: 0, high: 3 })
  expect(log.append('another', 5)).toBe(3)
  reader.seek(2)
  expect(await reader.next(10)).toMatchObject([
    { value: Buffer.from('2') },
    { value: Buffer.from('another'), timeMs: 5 },
  ])
})

test('what a lost fetch would have brought comes with the next one', async () => {
  const log = createMemoryLog()
  log.append('a')
  let requests = 0
  const losesTheFirstAnswer: Wire = async (_request, work) => {
    const answer = work()
    if (requests++ === 0) throw new Error('connection lost')
    return answer
  }
  const reader = log.reader(losesTheFirstAnswer)
  reader.seek(0)
  await expect(reader.next(1)).rejects.toThrow('connection lost')
  expect(await reader.next(1)).toMatchObject([{ offset: 0 }])
})

test('a record that comes while an empty fetch is on its way is not waited for', async () => {
  const log = createMemoryLog()
  let requests = 0
  const reader = log.reader(async (_request, work) => {
    const answer = work()
    if (requests++ === 0) log.append('meanwhile')
    return answer
  })
  reader.seek(0)
  expect(await reader.next(1)).toMatchObject([{ offset: 0 }])
})

test('an answer ends before a hole, also in what a test delivers', async () => {
  const log = createMemoryLog()
  for (let offset = 0; offset < 5; offset++) log.append(text(offset))
  const [low, high] = [log.records.slice(1, 3), log.records.slice(4)]
  log.records.splice(2, 1)
  const reader = log.reader()
  reader.seek(0)
  expect((await reader.next(10))?.map(({ offset }) => offset)).toEqual([0, 1])
  expect((await reader.next(10))?.map(({ offset }) => offset)).toEqual([3, 4])
  reader.deliver([...low, ...high])
  expect((await reader.next(10))?.map(({ offset }) => offset)).toEqual([1, 2])
})
