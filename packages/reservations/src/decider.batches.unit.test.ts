/** Where a batch ends is seen nowhere: same log, same answers, same ledger (I6). */
import type { CommandOutcome, ReservationCommand } from '@ironsys/contracts'
import { decideBatch, type LedgerEntry, type Page, type Progress } from '@ironsys/engine'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { reservationBinding } from './binding.ts'
import { noonMs } from './commands.fixture.ts'
import { reservationDecider } from './decider.ts'
import { stories } from './slot-story.fixture.ts'
import type { Reservation, ReservationEvent, Slot } from './state.ts'

/** The same stories each time: without a seed, fast-check takes others. */
const runs = { numRuns: 300, seed: 1 }
const PAGE_ROWS = 16
const id = { topic: 'reservations.commands', partition: 0 }
const binding = reservationBinding(1)

interface Timed {
  readonly command: ReservationCommand
  readonly atMs: number
}

interface Ends {
  /** Records and events of the next batch, at most. */
  readonly records: () => number
  readonly events: () => number
}

test('where the batches end makes no difference', () => {
  const sizes = fc.infiniteStream(fc.integer({ min: 1, max: 6 }))
  const decideAll = fc.property(stories, sizes, sizes, ({ created, commands }, records, events) => {
    const story = [{ command: created, atMs: noonMs }, ...commands]
    const single = { records: () => 1, events: () => Number.POSITIVE_INFINITY }
    const split = { records: () => records.next().value ?? 1, events: () => events.next().value ?? 1 }
    const [expected, found] = [decided(story, single), decided(story, split)]
    expect(found.answers).toEqual(expected.answers)
    expect(found.ledger).toEqual(expected.ledger)
    expect(found.rows).toEqual(expected.rows)
  })
  fc.assert(decideAll, runs)
})

function decided(story: readonly Timed[], ends: Ends) {
  const slots = new Map<string, Slot>()
  const rows = new Map<string, Reservation>()
  const remembered = new Map<string, CommandOutcome>()
  const ledger: LedgerEntry<ReservationEvent, Slot>[] = []
  const answers: CommandOutcome[] = []
  let from: Progress = { nextOffset: 0, epoch: 1, logTimeMs: 0, lastRecord: null, eventSeq: 0, steps: 0 }
  let rowsOfPage = PAGE_ROWS
  while (from.nextOffset < story.length) {
    const records = story.slice(from.nextOffset, from.nextOffset + ends.records()).map((timed, index) => {
      const value = { ...timed.command, reply_to: `${from.nextOffset + index}` }
      return { record: recordOf(from.nextOffset + index, timed.atMs), command: value }
    })
    const before = {
      header: (key: string) => slots.get(key) ?? null,
      row: (rowId: string) => rows.get(rowId),
      remembered: (commandId: string) => remembered.get(commandId),
      page: (key: string, list: string) => pageOf(rows, key, list, rowsOfPage),
      emptyList: () => false,
      changedRows: [],
    }
    const refusedOffsets = new Map<number, string>()
    const eventsMax = ends.events()
    const batch = decideBatch({
      decider: reservationDecider,
      binding,
      id,
      from,
      records,
      before,
      refusedOffsets,
      eventsMax,
    })
    rowsOfPage = batch.needed === null ? PAGE_ROWS : rows.size
    for (const key of batch.effects.removedKeys) {
      slots.delete(key)
      for (const [rowId, row] of rows) if (row.slotId === key) rows.delete(rowId)
    }
    for (const [key, { header }] of batch.effects.headers) slots.set(key, header)
    for (const [rowId, { row }] of batch.effects.rows) rows.set(rowId, row)
    for (const { commandId, outcome } of batch.effects.remembered) remembered.set(commandId, outcome)
    ledger.push(...batch.effects.ledger)
    answers.push(...batch.committed.replies.map(({ outcome }) => outcome))
    from = batch.effects.to
  }
  return { answers, ledger, rows }
}

function recordOf(offset: number, timeMs: number) {
  return { offset, timeMs, key: null, value: Buffer.from(String(offset)) }
}

function pageOf(
  rows: ReadonlyMap<string, Reservation>,
  key: string,
  list: string,
  limit: number,
): Page<Reservation> {
  const standing = [...rows.values()]
    .filter((row) => row.slotId === key)
    .flatMap((row) =>
      reservationDecider.listsOf(row).flatMap((place) => (place.list === list ? [{ row, ...place }] : [])),
    )
    .sort((a, b) => a.at - b.at || (a.row.id < b.row.id ? -1 : 1))
    .map(({ row }) => row)
  return { key, list, rows: standing.slice(0, limit), complete: standing.length <= limit }
}
