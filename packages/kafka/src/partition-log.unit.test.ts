import { LogIdentityError, type LogRecord } from '@ironsys/engine'
import { beforeEach, expect, test } from 'vitest'
import { BufferedPartitionLog } from './partition-log.ts'

const limits = { maxBufferedRecords: 10, maxBufferedBytes: 1000 }
let calls: string[]
let log: BufferedPartitionLog

beforeEach(() => {
  calls = []
  log = new BufferedPartitionLog(
    3,
    {
      seek: (offset) => calls.push(`seek ${offset}`),
      pause: () => calls.push('pause'),
      resume: () => calls.push('resume'),
      bounds: async () => ({ low: 0, high: 0 }),
      acknowledge: (offset) => calls.push(`acknowledge ${offset}`),
    },
    limits,
  )
})

function records(from: number, to: number, bytes = 1): LogRecord[] {
  const all: LogRecord[] = []
  for (let offset = from; offset <= to; offset++) {
    all.push({ offset, timeMs: 1, key: null, value: Buffer.alloc(bytes) })
  }
  return all
}

const offsets = (taken: readonly LogRecord[] | null) => taken?.map(({ offset }) => offset) ?? null

test('fetches nothing before it knows from where', () => {
  log.resync()
  expect(calls).toEqual(['pause'])
  log.seek(5)
  expect(calls).toEqual(['pause', 'seek 5', 'resume'])
})

test('a reader that waits before it has said from where gets what comes after it has', async () => {
  const waiting = log.next(10)
  log.deliver(records(0, 3), 8)
  expect(calls).toEqual([])
  log.seek(5)
  expect(calls).toEqual(['seek 5', 'resume'])
  log.deliver(records(5, 6), 8)
  expect(offsets(await waiting)).toEqual([5, 6])
})

test('hands out what was delivered, and waits for what was not', async () => {
  log.seek(0)
  log.deliver(records(0, 2), 3)
  expect(offsets(await log.next(2))).toEqual([0, 1])
  expect(offsets(await log.next(2))).toEqual([2])
  const waiting = log.next(2)
  log.deliver(records(3, 5), 6)
  expect(offsets(await waiting)).toEqual([3, 4])
})

test('allows one reader at a time', async () => {
  log.seek(0)
  const waiting = log.next(1)
  await expect(log.next(1)).rejects.toThrow('only one')
  log.close()
  expect(await waiting).toBeNull()
})

test('an answer ends before a hole, and the next one begins behind it', async () => {
  log.seek(0)
  log.deliver([...records(0, 1), ...records(4, 5)], 6)
  expect(offsets(await log.next(10))).toEqual([0, 1])
  expect(offsets(await log.next(10))).toEqual([4, 5])
})

test('drops what is delivered again', async () => {
  log.seek(2)
  log.deliver(records(0, 3), 4)
  log.deliver(records(1, 4), 5)
  expect(offsets(await log.next(10))).toEqual([2, 3, 4])
})

test('a seek drops what is buffered, and a waiting reader gets what comes from there', async () => {
  log.seek(0)
  log.deliver(records(0, 3), 4)
  log.seek(2)
  const waiting = log.next(10)
  log.deliver(records(2, 3), 4)
  expect(offsets(await waiting)).toEqual([2, 3])
  const next = log.next(10)
  log.seek(1)
  log.deliver(records(1, 1), 4)
  expect(offsets(await next)).toEqual([1])
})

test('pauses when full and resumes when half empty', async () => {
  log.seek(0)
  calls.length = 0
  log.deliver(records(0, 8), 20)
  expect(calls).toEqual([])
  log.deliver(records(9, 11), 20)
  expect(calls).toEqual(['pause'])
  await log.next(6)
  expect(calls).toEqual(['pause'])
  await log.next(1)
  expect(calls).toEqual(['pause', 'resume'])
})

test('pauses at the bytes, too', () => {
  log.seek(0)
  calls.length = 0
  log.deliver(records(0, 1, 500), 20)
  expect(calls).toEqual(['pause'])
})

test('tells a new assignment where it is and whether it flows', () => {
  log.seek(0)
  log.deliver(records(0, 3), 20)
  calls.length = 0
  log.resync()
  expect(calls).toEqual(['seek 4', 'resume'])
  log.deliver(records(4, 10), 20)
  calls.length = 0
  log.resync()
  expect(calls).toEqual(['seek 11', 'pause'])
})

test('a log that ends below the position fails for good', async () => {
  log.seek(10)
  const waiting = log.next(10)
  log.deliver(records(3, 4), 5)
  await expect(waiting).rejects.toThrow(LogIdentityError)
  await expect(log.next(10)).rejects.toThrow('ends at offset 5')
  log.deliver(records(10, 11), 12)
  await expect(log.next(10)).rejects.toThrow(LogIdentityError)
})

test('when closed it drops everything and answers null', async () => {
  log.seek(0)
  log.deliver(records(0, 3), 4)
  log.close()
  calls.length = 0
  expect(await log.next(1)).toBeNull()
  log.deliver(records(4, 5), 6)
  log.seek(0)
  log.acknowledge(3)
  expect(await log.next(1)).toBeNull()
  expect(calls).toEqual([])
})
