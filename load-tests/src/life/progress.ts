/** How far the writer of one partition is, as its fence's row in the database says. */
import { setTimeout as delay } from 'node:timers/promises'
import { topics } from '@ironsys/contracts'
import type { Client } from 'pg'
import { LoadTestFault } from '../faults.ts'

export interface Sample {
  /** When the database answered, Unix milliseconds. */
  readonly atMs: number
  /** Every command below it is committed. */
  readonly nextOffset: number
  /** Held units of the slot that is watched. */
  readonly heldUnits: number | null
}

export interface Watch {
  readonly database: Client
  readonly partition: number
  readonly slotId: string | null
  readonly patienceMs: number
  readonly signal: AbortSignal
}

const EVERY_MS = 5

const text = `SELECT p.next_offset, s.held
  FROM partition_progress p LEFT JOIN slots s ON s.id = $3 WHERE p.topic = $1 AND p.partition = $2`

/** Looks every few milliseconds until `isEnough`; the last sample is the one that was. Throws when nothing moves. */
export async function watchProgress(
  { database, partition, slotId, patienceMs, signal }: Watch,
  isEnough: (sample: Sample) => boolean,
  seen: (sample: Sample) => void = () => {},
): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  let movedMs = Date.now()
  for (;;) {
    if (signal.aborted) throw new LoadTestFault('interrupted')
    const { rows } = await database.query<{ next_offset: string; held: number | null }>({
      name: 'life-progress',
      text,
      values: [topics.reservationCommands, partition, slotId],
    })
    const sample = {
      atMs: Date.now(),
      nextOffset: Number(rows[0]?.next_offset ?? 0),
      heldUnits: rows[0]?.held ?? null,
    }
    const last = samples.at(-1)
    if (last?.nextOffset !== sample.nextOffset || last.heldUnits !== sample.heldUnits) movedMs = sample.atMs
    samples.push(sample)
    seen(sample)
    if (isEnough(sample)) return samples
    if (sample.atMs - movedMs > patienceMs) {
      throw new LoadTestFault(`partition ${partition} stays at offset ${sample.nextOffset}`)
    }
    await delay(EVERY_MS)
  }
}

export function reaches(offset: number): (sample: Sample) => boolean {
  return ({ nextOffset }) => nextOffset > offset
}
