/**
 * Takes a person out of all reservations and bookings: their writers replace the id by a pseudonym and drop what came
 * with it, in state and ledger in one transaction, so that everything still balances and replays.
 *
 * Invariants:
 * 1. When it is complete, nothing names the person that had been accepted before its last pass began.
 * 2. A pass does what it has counted at its start: somebody who keeps reserving cannot keep it running, and is told of.
 * 3. Unanswered is one page of {@link PAGE_ROWS} reservations or bookings.
 * 4. It may be ended and begun again at any time; what is left gets another pseudonym then.
 */
import { bookingIdSchema, limits, reservationIdSchema, slotIdSchema, topics } from '@ironsys/contracts'
import { LocalFault } from '@ironsys/local'
import type { Pool } from '@ironsys/postgres'
import { z } from 'zod'
import { queryRows } from './deployment.ts'
import type { Ask, Writers } from './writers.ts'

export interface ErasureDeps {
  readonly pool: Pool
  readonly writers: Writers
}

export interface Person {
  readonly userId: string
  readonly pseudonym: string
}

export interface PersonCounts {
  readonly reservations: number
  readonly bookings: number
}

export interface Erased extends PersonCounts {
  /** Of these, how many came while it ran. */
  readonly arrived: number
  /** False when every one of {@link PASSES_MAX} passes has found more. */
  readonly complete: boolean
}

const PAGE_ROWS = 1_000
export const PASSES_MAX = 5

/** What names the person, once all is decided that was accepted so far. Throws what {@link Writers.settle} throws. */
export async function countPerson({ pool, writers }: ErasureDeps, userId: string): Promise<PersonCounts> {
  await writers.settle()
  const text = `SELECT (SELECT count(*) FROM reservations WHERE user_id = $1) AS reservations,
                       (SELECT count(*) FROM bookings WHERE user_id = $1) AS bookings`
  const [row] = await queryRows(pool, 'erase-count', text, [userId])
  return z.object({ reservations: z.coerce.number(), bookings: z.coerce.number() }).parse(row)
}

/** `progress` is told how many of how many are done. Throws what {@link Writers.decide} throws; what was erased stays so. */
export async function erasePerson(
  deps: ErasureDeps,
  person: Person,
  progress: (done: number, total: number) => void,
): Promise<Erased> {
  let expected: number | null = null
  let reservations = 0
  let bookings = 0
  for (let pass = 1; ; pass++) {
    const counts = await countPerson(deps, person.userId)
    const todo = counts.reservations + counts.bookings
    const done = reservations + bookings
    expected ??= todo
    const arrived = Math.max(0, done + todo - expected)
    if (todo === 0 || pass > PASSES_MAX) return { reservations, bookings, arrived, complete: todo === 0 }
    const told = (of: number) => progress(done + of, done + todo)
    const booked = await erasePages(deps, person, bookingPages, counts.bookings, told)
    bookings += booked
    reservations += await erasePages(deps, person, reservationPages, counts.reservations, (of) =>
      told(booked + of),
    )
  }
}

/** Rows that name a person, and what their writers are asked. */
interface Pages {
  readonly topic: typeof topics.reservationCommands | typeof topics.bookingCommands
  readonly what: string
  /** At most $2 rows of user $1, each with the key of its writer. */
  readonly rows: string
  /** How many of ids $2 are user $1's still. */
  readonly left: string
  readonly asks: (rows: readonly PersonRow[], person: Person) => readonly Ask[]
}

const personRow = z.object({ id: z.string(), key: z.string() })
type PersonRow = z.infer<typeof personRow>

const reservationPages: Pages = {
  topic: topics.reservationCommands,
  what: 'reservations',
  rows: `SELECT id, slot_id AS key FROM reservations WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2`,
  left: 'SELECT count(*) AS count FROM reservations WHERE id = ANY ($2::uuid[]) AND user_id = $1',
  asks: eraseCommands,
}

const bookingPages: Pages = {
  topic: topics.bookingCommands,
  what: 'bookings',
  rows: 'SELECT id, id AS key FROM bookings WHERE user_id = $1 ORDER BY id LIMIT $2',
  left: 'SELECT count(*) AS count FROM bookings WHERE id = ANY ($2::uuid[]) AND user_id = $1',
  asks: (rows, { userId, pseudonym }) =>
    rows.map(({ id }) => ({
      key: id,
      command: { type: 'erase_booker', booking_id: bookingIdSchema.parse(id), user_id: userId, pseudonym },
    })),
}

/** One command per slot, and more where it has more than one command may name. */
export function eraseCommands(rows: readonly PersonRow[], { userId, pseudonym }: Person): readonly Ask[] {
  const bySlot = Map.groupBy(rows, ({ key }) => key)
  return [...bySlot].flatMap(([key, ofSlot]) => {
    const commands: Ask[] = []
    for (let from = 0; from < ofSlot.length; from += limits.erasedPerCommandMax) {
      const named = ofSlot.slice(from, from + limits.erasedPerCommandMax)
      commands.push({
        key,
        command: {
          type: 'erase_person',
          slot_id: slotIdSchema.parse(key),
          reservation_ids: named.map(({ id }) => reservationIdSchema.parse(id)),
          user_id: userId,
          pseudonym,
        },
      })
    }
    return commands
  })
}

/** Until nothing is left, or `todo` are done. What is erased is not found again: each page is the first. */
async function erasePages(
  { pool, writers }: ErasureDeps,
  person: Person,
  pages: Pages,
  todo: number,
  progress: (done: number) => void,
): Promise<number> {
  let done = 0
  while (done < todo) {
    const values = [person.userId, Math.min(PAGE_ROWS, todo - done)]
    const rows = (await queryRows(pool, `erase-${pages.what}`, pages.rows, values)).map((row) =>
      personRow.parse(row),
    )
    if (rows.length === 0) return done
    await writers.decide(pages.topic, pages.asks(rows, person))
    await requireErased(pool, person, pages, rows)
    done += rows.length
    progress(done)
  }
  return done
}

/** A command that could not be applied is a dead letter by now, and would be one again. */
async function requireErased(
  pool: Pool,
  { userId }: Person,
  pages: Pages,
  rows: readonly PersonRow[],
): Promise<void> {
  const ids = rows.map(({ id }) => id)
  const [row] = await queryRows(pool, `erase-left-${pages.what}`, pages.left, [userId, ids])
  const { count } = z.object({ count: z.coerce.number() }).parse(row)
  if (count === 0) return
  throw new LocalFault(
    `${count} of ${rows.length} ${pages.what} still name the person after their writers were asked: ` +
      './ironsys dlq list shows whether the commands failed; then run this again',
  )
}
