/** I6: a slot rebuilt from its ledger is the slot; and what no writer wrote is not rebuilt. */
import { mintId, type ReservationCommand, reservationIdSchema, slotIdSchema } from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import { reservationDecider } from './decider.ts'
import { type LedgerEntryRow, LedgerFault, rebuildSlot } from './rebuild.ts'
import type { Reservation, Slot } from './state.ts'

const slotId = slotIdSchema.parse('11111111-1111-4111-8111-111111111111')
const noon = Date.parse('2026-06-01T12:00:00.000Z')
const RUNS = 50
const COMMANDS = 60

/** A world of one slot that keeps the ledger as `insertLedger` writes it. */
function decideAll(commands: readonly ReservationCommand[]) {
  const rows = new Map<string, Reservation>()
  const ledger: LedgerEntryRow[] = []
  let header: Slot | null = null
  let atMs = noon
  for (const command of commands) {
    atMs += ledger.length % 3
    const before: Slot | null = header
    const { events } = reservationDecider.decide({ header: before, row: (id) => rows.get(id) }, command, atMs)
    for (const event of events) {
      const row = event.rowId === null ? undefined : rows.get(event.rowId)
      const after = reservationDecider.evolve({ header, row }, event, atMs)
      if (after.row !== undefined) rows.set(after.row.id, after.row)
      header = after.header
      if (header === null || header.version === (before?.version ?? 0)) continue
      ledger.push({
        slot_id: slotId,
        version: header.version,
        at: atMs,
        held_delta: header.pool.heldUnits - (before?.pool.heldUnits ?? 0),
        confirmed_delta: header.pool.confirmedUnits - (before?.pool.confirmedUnits ?? 0),
        capacity: header.pool.capacityUnits,
        overbooking_bps: header.pool.overbookingBps,
        type: event.type,
        reservation_id: event.rowId,
        event: JSON.parse(JSON.stringify(event)),
      })
    }
  }
  return { ledger, slot: header, rows }
}

/** mulberry32: the same seed, the same run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const created = {
  v: 1,
  type: 'create_slot',
  id: slotId,
  name: 'Morning',
  start_time: '2026-07-01T09:00:00.000Z',
  end_time: '2026-07-01T10:00:00.000Z',
  capacity: 10,
  overbooking_bps: 1000,
  sales_open_at: null,
  sales_close_at: '2026-06-30T00:00:00.000Z',
  metadata: { floor: 3 },
  body_hash: 'a'.repeat(32),
} as const

function randomCommands(seed: number): readonly ReservationCommand[] {
  const random = randomOf(seed)
  const asked: string[] = []
  const commands: ReservationCommand[] = [created]
  for (let index = 0; index < COMMANDS; index++) {
    const id = reservationIdSchema.parse(mintId(slotId, noon + index))
    const envelope = { v: 1, id } as const
    switch (random(6)) {
      case 0:
        commands.push({
          ...envelope,
          type: 'update_slot',
          slot_id: slotId,
          capacity: random(20),
          name: `n${index}`,
        })
        break
      case 1:
        commands.push({
          ...envelope,
          type: 'update_slot',
          slot_id: slotId,
          status: random(4) ? 'open' : 'closed',
        })
        break
      case 2:
      case 3: {
        const reservation_id = reservationIdSchema.parse(asked[random(asked.length || 1)] ?? id)
        commands.push({ ...envelope, type: 'cancel', reservation_id })
        break
      }
      default: {
        const quantity = 1 + random(4)
        const extra = random(2) ? { metadata: { seat: index } } : { body_hash: 'b'.repeat(32) }
        commands.push({ ...envelope, type: 'reserve', slot_id: slotId, user_id: 'ann', quantity, ...extra })
        asked.push(id)
      }
    }
  }
  return commands
}

test('the ledger of any run gives the state of that run', () => {
  const types = new Set<string>()
  for (let seed = 1; seed <= RUNS; seed++) {
    const { ledger, slot, rows } = decideAll(randomCommands(seed))
    const rebuilt = rebuildSlot(ledger)
    expect(rebuilt.slot, `seed ${seed}`).toEqual(slot)
    const decided = [...rows].filter(([, row]) => row.status !== 'rejected')
    expect(rebuilt.reservations, `seed ${seed}`).toEqual(new Map(decided))
    for (const entry of ledger) types.add(entry.type)
  }
  expect(types.size).toBe(4)
})

test('no entries, no slot', () => {
  expect(rebuildSlot([])).toEqual({ slot: null, reservations: new Map() })
})

describe('what no writer wrote', () => {
  const [first, second] = ['21', '22'].map((at) => reservationIdSchema.parse(mintId(slotId, Number(at))))
  const reserve = (id: Reservation['id'] | undefined, quantity: number) =>
    ({ v: 1, type: 'reserve', id, slot_id: slotId, user_id: 'ann', quantity }) as ReservationCommand
  const cancel = { v: 1, type: 'cancel', id: first, reservation_id: first } as ReservationCommand
  // Versions: 1 created, 2 and 3 confirmed, 4 cancelled, 5 updated.
  const healthy = decideAll([
    created,
    reserve(first, 2),
    reserve(second, 3),
    cancel,
    { v: 1, type: 'update_slot', id: slotId, slot_id: slotId, capacity: 5 },
  ]).ledger

  const change = (version: number, columns: object, event: object = {}) =>
    healthy.map((entry) =>
      entry.version === version
        ? { ...entry, ...columns, event: { ...Object(entry.event), ...event } }
        : entry,
    )
  const without = (version: number) => healthy.filter((entry) => entry.version !== version)
  /** Puts a copy of one version in the place of another. */
  const repeat = (version: number, asVersion: number) =>
    healthy.flatMap((entry) => {
      const copy = healthy.find((each) => each.version === version)
      return entry.version === asVersion && copy !== undefined
        ? [{ ...copy, version: asVersion, at: entry.at }]
        : [entry]
    })

  test.each<[string, readonly LedgerEntryRow[], number, RegExp]>([
    ['a first entry that is missing', without(1), 2, /version 1 is missing/],
    ['a hole', without(3), 4, /version 3 is missing/],
    ['a version twice', healthy.flatMap((entry) => [entry, entry]), 1, /there twice/],
    ['time that goes back', change(3, { at: noon - 1 }), 3, /log time goes back/],
    ['an event of no known type', change(2, {}, { type: 'slot_painted' }), 2, /cannot be read: type/],
    ['an event with a field too many', change(2, {}, { colour: 'red' }), 2, /cannot be read/],
    [
      'a rejection, which takes no version',
      change(2, {}, { type: 'reservation_rejected' }),
      2,
      /cannot be read/,
    ],
    ['a type beside another event', change(2, { type: 'slot_updated' }), 2, /type is slot_updated/],
    ['a reservation beside another event', change(2, { reservation_id: second }), 2, /the event names/],
    ['an event of another slot', change(2, {}, { slotId: second }), 2, /about slot/],
    ['a slot made twice', repeat(1, 2), 2, /created twice/],
    ['a reservation confirmed twice', repeat(2, 3), 3, /confirmed twice/],
    ['a cancel of nothing', change(4, { reservation_id: slotId }, { rowId: slotId }), 4, /never confirmed/],
    ['a reservation cancelled twice', repeat(4, 5), 5, /cancelled twice/],
    ['a cancel of other units', change(4, {}, { quantity: 1 }), 4, /gives back 1 units and has 2/],
    ['more sold than there is', change(3, {}, { quantity: 30 }), 3, /oversold/],
    ['less capacity than is sold', change(5, {}, { capacityUnits: 2 }), 5, /below what is taken/],
    [
      'another confirmed_delta',
      change(2, { confirmed_delta: 1 }),
      2,
      /confirmed_delta is 1, its event makes 2/,
    ],
    ['another held_delta', change(2, { held_delta: 1 }), 2, /held_delta is 1, its event makes 0/],
    ['another capacity', change(2, { capacity: 9 }), 2, /capacity is 9, its event makes 10/],
    [
      'another overbooking',
      change(1, { overbooking_bps: 0 }),
      1,
      /overbooking_bps is 0, its event makes 1000/,
    ],
  ])('%s is refused and named', (_what, entries, version, message) => {
    expect(rebuildSlot(healthy).slot?.version).toBe(5)
    const fault = faultOf(entries)
    expect(fault).toMatchObject({ slotId, version })
    expect(fault.message).toMatch(message)
  })
})

function faultOf(entries: readonly LedgerEntryRow[]): LedgerFault {
  try {
    rebuildSlot(entries)
  } catch (error) {
    if (error instanceof LedgerFault) return error
    throw error
  }
  throw new Error('it was rebuilt')
}
