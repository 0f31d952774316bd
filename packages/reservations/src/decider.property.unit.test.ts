/** Whatever is asked of a slot, in whatever order and at whatever times: the decider and a naive model agree. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { labelOf, noonMs } from './commands.fixture.ts'
import { evolve } from './evolve.ts'
import { type Claim, SlotModel } from './slot-model.fixture.ts'
import { stories } from './slot-story.fixture.ts'
import { SlotWriter } from './slot-writer.fixture.ts'
import type { Reservation, Slot } from './state.ts'

/** The same stories each time: without a seed, fast-check takes others. */
const runs = { numRuns: 500, seed: 1 }
const LINE_READ_MAX = 100

test('the decider answers and stands as the naive model does', () => {
  const decideAll = fc.property(stories, ({ created, commands }) => {
    const model = new SlotModel(created)
    const writer = new SlotWriter()
    writer.decide(created, noonMs)
    for (const { command, atMs } of commands) {
      const { code, reservation } = writer.decide(command, atMs)
      const answer = { code, status: reservation?.status, position: reservation?.waitlist_position }
      const expected = { status: undefined, position: undefined, ...model.decide(command, atMs) }
      expect(answer).toEqual(expected)
      expect(standing(writer, atMs)).toEqual(standingOfModel(model, atMs))
    }
    expect(writer.longestRead).toBeLessThanOrEqual(LINE_READ_MAX)
    expect(replayed(writer)).toEqual({ header: writer.header, rows: writer.rows })
  })
  fc.assert(decideAll, runs)
})

/** Who has what, who waits in which order: a hold that is due counts as over, whether that is written down yet or not. */
function standing(writer: SlotWriter, atMs: number) {
  const claims = [...writer.rows.values()].map(({ id, userId, status, bookingId, expiresMs }) =>
    stand(id, userId, status, bookingId === null ? expiresMs : null, atMs),
  )
  return { claims, line: writer.list('queue').map(({ id }) => labelOf(id)) }
}

function standingOfModel({ claims, line }: SlotModel, atMs: number) {
  const each = claims.map(({ id, user, status, booking, endsMs }) =>
    stand(id, user, status, booking === null ? endsMs : null, atMs),
  )
  return { claims: each, line: line.map(({ id }) => labelOf(id)) }
}

function stand(id: string, user: string, status: Claim['status'], endsMs: number | null, atMs: number) {
  const who = `${labelOf(id)} of ${user}`
  if (status !== 'held' || endsMs === null) return `${who} ${status}`
  return endsMs <= atMs ? `${who} expired` : `${who} held until ${endsMs - noonMs} ms`
}

/** The ledger and the events beside it, applied to nothing. */
function replayed(writer: SlotWriter) {
  let header: Slot | null = null
  const rows = new Map<string, Reservation>()
  for (const { event, atMs } of writer.history) {
    const row = event.rowId === null ? undefined : rows.get(event.rowId)
    const after = evolve({ header, row }, event, atMs)
    header = after.header
    if (after.row !== undefined) rows.set(after.row.id, after.row)
  }
  return { header, rows }
}
