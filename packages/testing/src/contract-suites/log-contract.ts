/** What the engine relies on of one partition of a log: run against the twin and against Kafka. */
import { LogIdentityError, type LogRecord, type PartitionLog } from '@ironsys/engine'
import { describe, expect, onTestFinished, test } from 'vitest'

/** A reader of the partition, and a way to take the partition away from it. */
export interface ReaderUnderTest {
  readonly log: PartitionLog
  /** Resolves when it is taken away. May be called again. */
  revoke(): Promise<void>
}

/** One new and empty partition with log time. */
export interface LogUnderTest {
  /** Resolves when the record is durable, with its offset and the broker's time. */
  append(
    value: Buffer | null,
    key?: Buffer | null,
  ): Promise<{ readonly offset: number; readonly timeMs: number }>
  /** Retention: keeps offsets from `offset` on. */
  removeBefore(offset: number): Promise<void>
  /** A reader that has not been told where to read yet, independent of all others. */
  reader(): Promise<ReaderUnderTest>
  close(): Promise<void>
}

/** Registers the tests. `open` is called once for each of them. */
export function logContract(open: () => Promise<LogUnderTest>): void {
  const start = () => startTest(open)
  describe('bounds', () => boundsContract(start))
  describe('next', () => nextContract(start))
  describe('seek', () => seekContract(start))
  describe('a reader whose position is not in the log', () => outOfRangeContract(start))
  describe('a reader that the partition is taken from', () => revokedContract(start))
}

/** What is opened here is closed when the test is over. */
async function startTest(open: () => Promise<LogUnderTest>) {
  const log = await open()
  onTestFinished(() => log.close())
  const reader = async (): Promise<ReaderUnderTest> => {
    const opened = await log.reader()
    onTestFinished(() => opened.revoke())
    return opened
  }
  /** Appends `count` records whose values are their offsets. */
  const fill = async (count: number): Promise<void> => {
    for (let offset = 0; offset < count; offset++) await log.append(Buffer.from(`${offset}`))
  }
  /** A reader at `offset` of a log of `count` records. */
  const readerAt = async (offset: number, count: number): Promise<PartitionLog> => {
    await fill(count)
    const { log: opened } = await reader()
    opened.seek(offset)
    return opened
  }
  return { log, reader, fill, readerAt }
}

type Start = () => ReturnType<typeof startTest>

/** Reads until `count` records came. */
async function take(log: PartitionLog, count: number): Promise<readonly LogRecord[]> {
  const taken: LogRecord[] = []
  while (taken.length < count) {
    const records = await log.next(count - taken.length)
    if (records === null) throw new Error(`closed after ${taken.length} records`)
    taken.push(...records)
  }
  return taken
}

async function takeOffsets(log: PartitionLog, count: number): Promise<readonly number[]> {
  return (await take(log, count)).map(({ offset }) => offset)
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n)

function boundsContract(start: Start): void {
  test('grow with the log, and their lower end with what retention removed', async () => {
    const { log, reader, fill } = await start()
    const { log: opened } = await reader()
    expect(await opened.bounds()).toEqual({ low: 0, high: 0 })
    await fill(10)
    expect(await opened.bounds()).toEqual({ low: 0, high: 10 })
    await log.removeBefore(6)
    expect(await opened.bounds()).toEqual({ low: 6, high: 10 })
    await log.removeBefore(10)
    expect(await opened.bounds()).toEqual({ low: 10, high: 10 })
    expect(await log.append(null)).toMatchObject({ offset: 10 })
    expect(await opened.bounds()).toEqual({ low: 10, high: 11 })
  })
}

function nextContract(start: Start): void {
  test('answers what was appended, byte by byte, at the offset and log time that the producer was told', async () => {
    const { log, reader } = await start()
    const bytes = [Buffer.from('k'), null, Buffer.alloc(0), Buffer.from([0, 255, 128])]
    const expected: LogRecord[] = []
    for (const key of bytes) {
      for (const value of bytes) expected.push({ ...(await log.append(value, key)), key, value })
    }
    const { log: opened } = await reader()
    opened.seek(0)
    const records = await take(opened, expected.length)
    expect(records).toEqual(expected)
    expect(records.map(({ offset }) => offset)).toEqual(range(0, expected.length - 1))
  })

  test('answers at most as many as asked for, at least one, and leaves none out', async () => {
    const { readerAt } = await start()
    const log = await readerAt(0, 20)
    const offsets: number[] = []
    for (let max = 1; offsets.length < 20; max++) {
      const records = await log.next(max)
      expect(records?.length).toBeGreaterThan(0)
      expect(records?.length).toBeLessThanOrEqual(max)
      offsets.push(...(records ?? []).map(({ offset }) => offset))
    }
    expect(offsets).toEqual(range(0, 19))
  })

  test('waits at the end for the next record', async () => {
    const { log, readerAt } = await start()
    const opened = await readerAt(1, 2)
    expect(await takeOffsets(opened, 1)).toEqual([1])
    const waiting = opened.next(10)
    await log.append(Buffer.from('late'))
    expect(await waiting).toMatchObject([{ offset: 2, value: Buffer.from('late') }])
  })

  test('waits until it is told where to read', async () => {
    const { log, reader, readerAt } = await start()
    const { log: untold } = await reader()
    let answered = false
    const waiting = untold.next(10).finally(() => {
      answered = true
    })
    // Long enough for another one to get all there is, and what comes then.
    const other = await readerAt(0, 3)
    expect(await takeOffsets(other, 3)).toEqual([0, 1, 2])
    await log.append(null)
    expect(await takeOffsets(other, 1)).toEqual([3])
    expect(answered).toBe(false)
    untold.seek(2)
    expect((await waiting)?.[0]?.offset).toBe(2)
  })

  test('is for one caller at a time', async () => {
    const { readerAt, log } = await start()
    const opened = await readerAt(0, 0)
    const waiting = opened.next(1)
    await expect(opened.next(1)).rejects.toThrow('only one next() at a time')
    await log.append(null)
    expect(await waiting).toHaveLength(1)
  })

  test('of one reader has nothing to do with another', async () => {
    const { reader, fill } = await start()
    await fill(5)
    const [one, two] = [await reader(), await reader()]
    one.log.seek(0)
    two.log.seek(3)
    expect(await takeOffsets(one.log, 2)).toEqual([0, 1])
    expect(await takeOffsets(two.log, 2)).toEqual([3, 4])
    await one.revoke()
    two.log.seek(1)
    expect(await takeOffsets(two.log, 4)).toEqual([1, 2, 3, 4])
  })
}

function seekContract(start: Start): void {
  test('goes back and forth, and drops what was fetched before', async () => {
    const { readerAt } = await start()
    const log = await readerAt(0, 20)
    for (const [from, count] of [
      [0, 3],
      [15, 5],
      [2, 10],
      [2, 1],
      [19, 1],
      [0, 20],
    ] as const) {
      log.seek(from)
      expect(await takeOffsets(log, count)).toEqual(range(from, from + count - 1))
    }
  })

  test('holds for a next that waits, at the end or for what is on its way', async () => {
    const { readerAt } = await start()
    const log = await readerAt(0, 6)
    for (const from of [6, 0, 4]) {
      log.seek(from)
      const waiting = log.next(10)
      log.seek(3)
      expect((await waiting)?.[0]?.offset).toBe(3)
    }
  })

  test('the last of several holds', async () => {
    const { readerAt } = await start()
    const log = await readerAt(5, 6)
    for (const from of [0, 3, 1, 4]) log.seek(from)
    expect(await takeOffsets(log, 2)).toEqual([4, 5])
  })
}

function outOfRangeContract(start: Start): void {
  test('because retention removed it gets the first record that is kept, as often as it seeks', async () => {
    const { log, readerAt } = await start()
    const opened = await readerAt(0, 10)
    await log.removeBefore(6)
    for (let attempt = 0; attempt < 3; attempt++) {
      opened.seek(2)
      expect(await takeOffsets(opened, 4)).toEqual([6, 7, 8, 9])
    }
  })

  test('because all of it was removed waits for the next one', async () => {
    const { log, readerAt } = await start()
    const opened = await readerAt(10, 10)
    await log.removeBefore(10)
    opened.seek(3)
    const waiting = opened.next(10)
    await log.append(Buffer.from('next'))
    expect((await waiting)?.map(({ offset }) => offset)).toEqual([10])
  })

  test('because the log ends below it fails for good: the log has lost its tail', async () => {
    const { readerAt } = await start()
    const log = await readerAt(100, 5)
    await expect(log.next(10)).rejects.toBeInstanceOf(LogIdentityError)
    await expect(log.next(10)).rejects.toBeInstanceOf(LogIdentityError)
  })

  test('because the log is empty waits, and fails at the first record', async () => {
    const { log, readerAt } = await start()
    const opened = await readerAt(100, 0)
    const waiting = opened.next(10)
    const failed = expect(waiting).rejects.toBeInstanceOf(LogIdentityError)
    await log.append(null)
    await failed
  })
}

function revokedContract(start: Start): void {
  test.each([
    ['with records unread', 0],
    ['at the end', 3],
  ])('%s answers null, now and always', async (_where, position) => {
    const { reader, fill } = await start()
    await fill(3)
    const { log, revoke } = await reader()
    log.seek(position)
    if (position < 3) expect(await takeOffsets(log, 1)).toEqual([position])
    await revoke()
    expect(await log.next(10)).toBeNull()
    log.seek(0)
    log.acknowledge(3)
    expect(await log.next(10)).toBeNull()
  })

  test('while it waits answers null', async () => {
    const { log, readerAt, reader } = await start()
    await readerAt(0, 1)
    const waiting = await reader()
    waiting.log.seek(1)
    const answer = waiting.log.next(10)
    await waiting.revoke()
    expect(await answer).toBeNull()
    await log.append(null)
    expect(await waiting.log.next(10)).toBeNull()
  })
}
