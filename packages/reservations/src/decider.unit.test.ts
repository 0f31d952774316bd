/** The specification of reservations, given / when / then. */
import {
  type CommandOutcome,
  mintId,
  type ReservationCommand,
  reservationIdSchema,
  slotIdSchema,
} from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import { reservationDecider } from './decider.ts'
import type { Reservation, Slot } from './state.ts'

const slotId = slotIdSchema.parse('11111111-1111-4111-8111-111111111111')
const noon = Date.parse('2026-06-01T12:00:00.000Z')
const newId = () => reservationIdSchema.parse(mintId(slotId, noon))
const hash = (letter: string) => letter.repeat(32)

const createSlot = (fields: object = {}) =>
  ({
    v: 1,
    type: 'create_slot',
    id: slotId,
    name: 'Morning',
    start_time: '2026-07-01T09:00:00.000Z',
    end_time: '2026-07-01T10:00:00.000Z',
    capacity: 10,
    overbooking_bps: 0,
    sales_open_at: null,
    sales_close_at: null,
    body_hash: hash('a'),
    ...fields,
  }) as ReservationCommand
const reserve = (quantity: number, fields: object = {}) =>
  ({
    v: 1,
    type: 'reserve',
    id: newId(),
    slot_id: slotId,
    user_id: 'ann',
    quantity,
    ...fields,
  }) as ReservationCommand
const cancel = (reservation_id: string) =>
  ({
    v: 1,
    type: 'cancel',
    id: newId(),
    reservation_id: reservationIdSchema.parse(reservation_id),
  }) as ReservationCommand
const update = (fields: object) =>
  ({ v: 1, type: 'update_slot', id: newId(), slot_id: slotId, ...fields }) as ReservationCommand

/** A world of one slot: applies commands as the engine does. */
function given(...commands: ReservationCommand[]) {
  const rows = new Map<string, Reservation>()
  let header: Slot | null = null
  const events: string[] = []
  const when = (command: ReservationCommand, atMs = noon): CommandOutcome => {
    const decision = reservationDecider.decide({ header, row: (id) => rows.get(id) }, command, atMs)
    for (const event of decision.events) {
      const row = event.rowId === null ? undefined : rows.get(event.rowId)
      const after = reservationDecider.evolve({ header, row }, event, atMs)
      header = after.header
      if (event.rowId !== null && after.row !== undefined) rows.set(event.rowId, after.row)
      events.push(event.type)
    }
    return decision.outcome
  }
  for (const command of commands) when(command)
  return { when, events, slot: () => header, row: (id: string) => rows.get(id) }
}

describe('a slot', () => {
  test('is created once, open and empty', () => {
    const world = given()
    expect(world.when(createSlot())).toMatchObject({
      code: 'ok',
      slot: { available: 10, version: 1, status: 'open' },
    })
    expect(world.slot()).toMatchObject({ version: 1, createdMs: noon })
  })

  test('created again with the same body is the same, with another is refused', () => {
    const world = given(createSlot(), reserve(3))
    expect(world.when(createSlot())).toMatchObject({ code: 'ok', slot: { available: 7 } })
    expect(world.when(createSlot({ body_hash: hash('b') }))).toEqual({ code: 'slot-exists' })
    expect(world.slot()?.version).toBe(2)
  })

  test('is renamed, resized, closed and opened, each a version', () => {
    const world = given(createSlot())
    expect(world.when(update({ name: 'Evening', capacity: 20 }))).toMatchObject({
      slot: { name: 'Evening', capacity: 20 },
    })
    expect(world.when(update({ status: 'closed' }))).toMatchObject({ slot: { status: 'closed', version: 3 } })
    expect(world.when(update({ status: 'open' }))).toMatchObject({ slot: { status: 'open', version: 4 } })
  })

  test('does not shrink below what is taken', () => {
    const world = given(createSlot(), reserve(6))
    expect(world.when(update({ capacity: 5 }))).toEqual({
      code: 'capacity-in-use',
      detail: '6 units are held or confirmed',
    })
    expect(world.when(update({ capacity: 6 }))).toMatchObject({ code: 'ok', slot: { available: 0 } })
  })

  test('that does not exist cannot be updated', () => {
    expect(given().when(update({ name: 'x' }))).toEqual({ code: 'slot-not-found' })
  })
})

test('a keyed change of an unknown slot, repeated, is answered as the first time', () => {
  const command = update({ name: 'x', body_hash: hash('a') })
  const outcome = given().when(command)
  expect(outcome.code).toBe('slot-not-found')
  expect(reservationDecider.repeat(command, outcome).code).toBe('slot-not-found')
  const other = { ...command, body_hash: hash('b') } as ReservationCommand
  expect(reservationDecider.repeat(other, outcome).code).toBe('idempotency-key-reused')
})

describe('a reservation', () => {
  test('is confirmed while there are units', () => {
    const world = given(createSlot())
    const command = reserve(4)
    expect(world.when(command)).toMatchObject({
      code: 'ok',
      reservation: {
        id: command.id,
        status: 'confirmed',
        quantity: 4,
        slot_version: 2,
        created_at: '2026-06-01T12:00:00.000Z',
      },
    })
    expect(world.slot()?.pool.confirmedUnits).toBe(4)
  })

  test('is rejected when it does not fit, and takes no version', () => {
    const world = given(createSlot(), reserve(8))
    const command = reserve(3)
    expect(world.when(command)).toMatchObject({
      code: 'sold-out',
      reservation: { status: 'rejected', reason: 'sold-out' },
    })
    expect(world.slot()?.version).toBe(2)
    expect(world.row(command.id)).toMatchObject({ status: 'rejected', slotVersion: 2 })
    expect(world.when(reserve(2)).code).toBe('ok')
  })

  test('for an unknown slot is rejected and recorded', () => {
    const world = given()
    const command = reserve(1)
    expect(world.when(command)).toMatchObject({ code: 'slot-not-found', reservation: { slot_version: 0 } })
    expect(world.row(command.id)?.reason).toBe('slot-not-found')
  })

  test('uses overbooked units, to the unit', () => {
    const world = given(createSlot({ overbooking_bps: 1000 }), reserve(10))
    expect(world.when(reserve(1)).code).toBe('ok')
    expect(world.when(reserve(1)).code).toBe('sold-out')
  })

  test('is refused before the sale opens, from its close on, and while closed', () => {
    const at = (ms: number) => new Date(ms).toISOString()
    const world = given(createSlot({ sales_open_at: at(noon), sales_close_at: at(noon + 1000) }))
    expect(world.when(reserve(1), noon - 1).code).toBe('sales-not-open')
    expect(world.when(reserve(1), noon).code).toBe('ok')
    expect(world.when(reserve(1), noon + 999).code).toBe('ok')
    expect(world.when(reserve(1), noon + 1000).code).toBe('slot-closed')
    world.when(update({ status: 'closed' }), noon)
    expect(world.when(reserve(1), noon).code).toBe('slot-closed')
  })

  test('sent again takes effect once and is answered with what was decided', () => {
    const world = given(createSlot())
    const command = reserve(4)
    const first = world.when(command)
    expect(world.when(command, noon + 5000)).toEqual(first)
    expect(world.slot()?.pool.confirmedUnits).toBe(4)
    expect(world.events).toEqual(['slot_created', 'reservation_confirmed'])
  })

  test('sent again after a rejection stays rejected, even when there is room now', () => {
    const holder = reserve(10)
    const world = given(createSlot(), holder)
    const late = reserve(1)
    expect(world.when(late).code).toBe('sold-out')
    world.when(cancel(holder.id))
    expect(world.when(late).code).toBe('sold-out')
  })

  test('with the same key and another body is refused', () => {
    const command = reserve(4, { body_hash: hash('a') })
    const world = given(createSlot(), command)
    expect(world.when({ ...command, quantity: 5, body_hash: hash('b') } as ReservationCommand)).toEqual({
      code: 'idempotency-key-reused',
    })
    expect(world.slot()?.pool.confirmedUnits).toBe(4)
  })
})

describe('a cancellation', () => {
  test('gives the units back', () => {
    const held = reserve(10)
    const world = given(createSlot(), held)
    expect(world.when(cancel(held.id), noon + 60_000)).toMatchObject({
      code: 'ok',
      reservation: { status: 'cancelled', cancelled_at: '2026-06-01T12:01:00.000Z', slot_version: 3 },
    })
    expect(world.slot()?.pool.confirmedUnits).toBe(0)
    expect(world.when(reserve(10)).code).toBe('ok')
  })

  test('twice gives them back once', () => {
    const held = reserve(10)
    const world = given(createSlot(), held)
    const first = world.when(cancel(held.id))
    expect(world.when(cancel(held.id), noon + 1)).toEqual(first)
    expect(world.slot()).toMatchObject({ version: 3 })
  })

  test('of nothing, or of a rejected one, says so', () => {
    const world = given(createSlot({ capacity: 0 }))
    expect(world.when(cancel(newId())).code).toBe('reservation-not-found')
    const rejected = reserve(1)
    world.when(rejected)
    expect(world.when(cancel(rejected.id))).toMatchObject({
      code: 'not-cancellable',
      reservation: { status: 'rejected' },
    })
  })
})

describe('evolve refuses to break an invariant', () => {
  test('an event that would oversell throws', () => {
    const world = given(createSlot({ capacity: 1 }))
    const event = {
      type: 'reservation_confirmed',
      rowId: newId(),
      slotId,
      userId: 'ann',
      quantity: 2,
      metadata: null,
      bodyHash: null,
    } as const
    expect(() => reservationDecider.evolve({ header: world.slot(), row: undefined }, event, noon)).toThrow(
      'oversold',
    )
  })
})

describe('a record of the log', () => {
  const record = (json: unknown) =>
    reservationDecider.parse(Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)))

  test('that is a command is read as one', () => {
    expect(record(reserve(1))).toMatchObject({ type: 'reserve', quantity: 1 })
  })

  test.each([
    ['nothing', reservationDecider.parse(null)],
    ['no JSON', record('{')],
    ['an unknown type', record({ v: 1, type: 'nonsense', id: newId() })],
    ['a quantity of 0', record(reserve(0))],
    ['a NUL in metadata', record(reserve(1, { metadata: { a: 'x\0' } }))],
    ['an id of another slot', record(reserve(1, { id: mintId('another', noon) }))],
  ])('that is %s is malformed', (_what, parsed) => {
    expect(parsed).toMatchObject({ unreadable: 'malformed' })
  })

  test('of a newer schema is not discarded', () => {
    expect(record({ ...reserve(1), v: 2 })).toMatchObject({ unreadable: 'newer-schema' })
  })

  test('that is malformed still says its id', () => {
    const command = reserve(0)
    expect(record(command)).toMatchObject({ commandId: command.id })
  })
})
