/**
 * Reads one partition as an unbroken run of offsets.
 *
 * Invariants:
 * 1. `take(from)` returns records with offsets from, from + 1, … and nothing else: what is below was applied
 *    already and is skipped, what is above means a hole and is read again.
 * 2. A hole that stays after {@link HOLE_ATTEMPTS} attempts is not a hiccup but a damaged log: the partition halts.
 * 3. At most one read of the log is outstanding. A `take` that was interrupted loses no record: what the
 *    outstanding read brings is there for the next one.
 */
import { LogIdentityError } from './faults.ts'
import type { LogRecord, PartitionLog } from './ports.ts'

const HOLE_ATTEMPTS = 5

export interface RecordReader {
  seek(offset: number): void
  /** The next 1 to `max` records from offset `from` on; null when interrupted or the partition is taken away. */
  take(from: number, max: number): Promise<readonly LogRecord[] | null>
  /** The last records of what `take` answered, to be taken again. */
  giveBack(records: readonly LogRecord[]): void
  /** Ends the `take` that is waiting, if any. */
  interrupt(): void
}

export function createRecordReader(log: PartitionLog, readAheadRecords: number): RecordReader {
  let buffered: readonly LogRecord[] = []
  let outstanding: Promise<boolean> | null = null
  let endWait = (): void => {}
  /** Set by an interrupt until the next `take`: it may come while `take` is between two waits. */
  let interrupted = false

  const read = async (): Promise<boolean> => {
    try {
      const records = await log.next(readAheadRecords)
      if (records !== null) buffered = records
      return records !== null
    } finally {
      outstanding = null
    }
  }

  /** True when there is more to look at, false when interrupted or at the end. */
  const wait = (): Promise<boolean> =>
    new Promise((resolve, reject) => {
      endWait = () => resolve(false)
      outstanding ??= read()
      outstanding.then(resolve, reject)
    })

  const seek = (offset: number): void => {
    buffered = []
    log.seek(offset)
  }

  const take = async (from: number, max: number): Promise<readonly LogRecord[] | null> => {
    interrupted = false
    for (let holes = 0; ; ) {
      buffered = withoutApplied(buffered, from)
      const first = buffered[0]
      if (first === undefined) {
        if (interrupted || !(await wait()) || interrupted) return null
      } else if (first.offset > from) {
        holes++
        if (holes > HOLE_ATTEMPTS) throw holeError(from, first.offset)
        seek(from)
      } else {
        const run = unbrokenRun(buffered, max)
        buffered = buffered.slice(run.length)
        return run
      }
    }
  }

  const giveBack = (records: readonly LogRecord[]): void => {
    if (records.length > 0) buffered = [...records, ...buffered]
  }

  const interrupt = (): void => {
    interrupted = true
    endWait()
  }

  return { seek, take, giveBack, interrupt }
}

function withoutApplied(records: readonly LogRecord[], from: number): readonly LogRecord[] {
  const first = records.findIndex((record) => record.offset >= from)
  return first === 0 ? records : first === -1 ? [] : records.slice(first)
}

function unbrokenRun(records: readonly LogRecord[], max: number): readonly LogRecord[] {
  const start = records[0]?.offset ?? 0
  let length = 1
  while (length < Math.min(records.length, max) && records[length]?.offset === start + length) length++
  return records.slice(0, length)
}

function holeError(expected: number, found: number): LogIdentityError {
  return new LogIdentityError(
    `offset ${expected} is not in the log any more: the next record is ${found}. Commands may be lost; ` +
      'compare the topic with its backup before going on.',
  )
}
