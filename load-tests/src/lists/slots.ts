/** Slots that are made in the database: what they are read by is measured, not how they came. */
import type { Client } from 'pg'

export type Sale = 'none sold' | '99 % sold out'

/** More than the most wanted slot sells in a bench. */
export const UNITS = 1_000_000
/** Slots that start at the same time, and how far apart such times are. */
const AT_ONCE = 10
const APART_MINUTES = 10
export const FIRST_START_MS = Date.parse('2030-01-01T00:00:00Z')

/** When the last of so many slots starts. */
export function lastStartMs(slots: number): number {
  return FIRST_START_MS + Math.floor((slots - 1) / AT_ONCE) * APART_MINUTES * 60_000
}

export async function insertSlots(database: Client, slots: number): Promise<void> {
  await database.query(
    `INSERT INTO slots (id, version, epoch, start_time, end_time, capacity, overbooking_bps, held, confirmed, status, name,
                        metadata, body_hash, created_at)
     SELECT gen_random_uuid(), 1, 1, at, at + interval '1 hour', $4, 0, 0, 0, 'open', 'bench, slot ' || n,
            '{"room": "north wing, second floor", "tags": ["bench", "list"]}', repeat('0', 32), now()
       FROM generate_series(0, $1::int - 1) n,
            LATERAL (SELECT $2::timestamptz + (n / $3::int) * make_interval(mins => $5) AS at) t`,
    [slots, new Date(FIRST_START_MS).toISOString(), AT_ONCE, UNITS, APART_MINUTES],
  )
}

/** Afterwards the statistics are those of before the sale: a sale is faster than they are. */
export async function sell(database: Client, sale: Sale): Promise<void> {
  await database.query('ANALYZE slots')
  if (sale === '99 % sold out') {
    await database.query('UPDATE slots SET confirmed = capacity WHERE hashtext(id::text) % 100 <> 0')
  }
  await database.query('VACUUM slots')
  await database.query('CHECKPOINT')
}
