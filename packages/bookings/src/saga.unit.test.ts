/** All or none, whatever the order in which things happen: random orders over simple slots. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSagaWorld, type SagaWorld, slotIndex } from './saga-world.fixture.ts'
import { decideSlot, nudge, takenUnits } from './simple-slot.fixture.ts'
import { DEFAULT_HOLD_TTL_MS, PENDING_MS } from './state.ts'

const SLOTS = 3

const order = fc.record({
  mode: fc.constantFrom('confirm' as const, 'hold' as const),
  units: fc
    .array(fc.nat(2), { minLength: SLOTS, maxLength: SLOTS })
    .filter((units) => units.some((each) => each > 0)),
})

const carried = fc.constantFrom('carryToSlot', 'decideSlot', 'carryToBooking')
const asked = fc.constantFrom('confirm', 'cancel', 'wake', 'repeat')
const faults = fc.constantFrom('nudge', 'resendOfBooking', 'resendOfSlot', 'wait')

/** Something is done to the `at`-th booking or slot. */
const happening = fc.record({
  at: fc.nat(5),
  deed: fc.oneof({ weight: 5, arbitrary: carried }, asked, faults),
  count: fc.nat(6),
  ms: fc.constantFrom(1, 1000, PENDING_MS / 2, PENDING_MS),
})
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never

function happen(world: SagaWorld, { at, deed, count, ms }: Happening): void {
  const saga = world.sagas[at % world.sagas.length] ?? expect.fail('no booking')
  const slot = world.slots[at % SLOTS] ?? expect.fail('no slot')
  const deeds: Record<typeof deed, () => void> = {
    carryToSlot: () => world.carryToSlot(saga),
    decideSlot: () => decideSlot(slot),
    carryToBooking: () => world.carryToBooking(slot),
    confirm: () => world.ask(saga, 'confirm_booking'),
    cancel: () => world.ask(saga, 'cancel_booking'),
    wake: () => world.ask(saga, 'wake_booking'),
    repeat: () => world.book(saga),
    nudge: () => nudge(slot),
    resendOfBooking: () => world.resend(saga, count),
    resendOfSlot: () => world.resend(slot, count),
    wait: () => world.wait(ms),
  }
  deeds[deed]()
}

/** Everything arrives. */
function arrive(world: SagaWorld): void {
  const { sagas, slots } = world
  const isUnderWay = () =>
    [...sagas, ...slots].some(({ outbox }) => outbox.underWay.length > 0) ||
    slots.some(({ inbox }) => inbox.length > 0)
  while (isUnderWay()) {
    for (const saga of sagas) world.carryToSlot(saga)
    for (const slot of slots) decideSlot(slot)
    for (const slot of slots) world.carryToBooking(slot)
  }
}

/** Everything arrives; the deadlines pass; what follows from them arrives. */
function comeToRest(world: SagaWorld): void {
  arrive(world)
  for (const ms of [PENDING_MS, DEFAULT_HOLD_TTL_MS]) {
    world.wait(ms)
    for (const saga of world.sagas) world.ask(saga, 'wake_booking')
    arrive(world)
  }
}

/** A confirmed booking has all of its units, any other none, and nobody else has any. */
function expectAllOrNone({ sagas, slots }: SagaWorld): void {
  const confirmed = sagas.filter(({ booking }) => booking?.status === 'confirmed')
  const wanted = confirmed.flatMap(({ places }) => places)
  for (const [index, slot] of slots.entries()) {
    const here = wanted.filter((place) => slotIndex(place) === index)
    const having = [...slot.taken].filter(([, { status }]) => status === 'held' || status === 'confirmed')
    expect(having.map(([id, { status, units }]) => [id, status, units]).sort()).toEqual(
      here.map(({ reservationId, quantity }) => [reservationId, 'confirmed', quantity]).sort(),
    )
    expect(takenUnits(slot)).toBeLessThanOrEqual(slot.capacity)
  }
}

test('a booking ends with all of its units or with none, and every unit is accounted for', () => {
  const ends = new Set<string | undefined>()
  const scenario = fc.tuple(
    fc.array(fc.nat(4), { minLength: SLOTS, maxLength: SLOTS }),
    fc.array(order, { minLength: 1, maxLength: 4 }),
    fc.array(happening, { maxLength: 120 }),
  )
  const property = fc.property(scenario, ([capacities, orders, happenings]) => {
    const world = createSagaWorld(capacities, orders)
    for (const saga of world.sagas) world.book(saga)
    for (const each of happenings) happen(world, each)
    comeToRest(world)
    expectAllOrNone(world)
    for (const { booking, replies } of world.sagas) {
      expect(booking?.deadlineMs).toBeNull()
      expect(replies).not.toContain('pending')
      ends.add(booking?.status)
    }
  })
  fc.assert(property, { numRuns: 1000, seed: 1 })
  expect(ends).toEqual(new Set(['confirmed', 'rejected', 'cancelled', 'expired']))
})
