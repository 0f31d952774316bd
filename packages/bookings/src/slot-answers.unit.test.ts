/** The specification of bookings, given / when / then: what the slots say, and what happens when they say nothing. */
import { describe, expect, test } from 'vitest'
import {
  answer,
  book,
  both,
  cancel,
  cancelled,
  confirm,
  confirmed,
  erase,
  expired,
  given,
  held,
  holdEndMs,
  july2,
  meal,
  noonMs,
  overdue,
  pending,
  pendingEndMs,
  rejected,
  ride,
  seat,
  strangeId,
  tells,
  wake,
} from './booking-world.fixture.ts'
import { bookingDecider } from './decider.ts'
import { DEFAULT_HOLD_TTL_MS } from './state.ts'

describe('the answers of the slots', () => {
  test('make it confirmed when the last one agrees: every hold is told', () => {
    const world = pending({ reply_to: 'api/7' })
    expect(world.when(answer(meal))).toMatchObject({ told: [], replyTo: undefined })
    expect(world.booking()).toMatchObject({ status: 'pending', version: 2, deadlineMs: pendingEndMs })
    const { outcome, replyTo, told, events } = world.when(answer(seat), noonMs + 5)
    expect(outcome).toMatchObject({ code: 'ok', booking: { status: 'confirmed' } })
    expect(replyTo).toBe('api/7')
    expect(told).toEqual(tells('confirm', seat, meal))
    expect(events.map(({ type }) => type)).toEqual(['item_held', 'booking_confirmed'])
    expect(world.booking()).toMatchObject({ version: 4, deadlineMs: null, replyTo: null })
  })

  test('make it held for its own time when it is to be held: nothing is told yet', () => {
    const world = pending({ mode: 'hold', hold_ttl_seconds: 90, reply_to: 'api/7' })
    world.when(answer(seat), noonMs + 1000)
    const { outcome, replyTo, told } = world.when(answer(meal), noonMs + 2000)
    const expires_at = new Date(noonMs + 92_000).toISOString()
    expect(outcome).toMatchObject({ code: 'ok', booking: { status: 'held', expires_at } })
    expect([replyTo, told]).toEqual(['api/7', []])
    expect(world.booking()).toMatchObject({ version: 4, deadlineMs: noonMs + 92_000 })
  })

  test('hold it for ten minutes where nothing was said', () => {
    expect(held().booking()?.deadlineMs).toBe(holdEndMs)
    expect(DEFAULT_HOLD_TTL_MS).toBe(600_000)
  })

  test('reject it with the first refusal, and release every other slot, whether it has answered or not', () => {
    const world = given(book([seat, meal, ride], { reply_to: 'api/7' }), answer(seat))
    const { outcome, replyTo, told } = world.when(answer(meal, 'limit-exceeded', july2))
    expect(outcome).toMatchObject({
      code: 'limit-exceeded',
      booking: { status: 'rejected', reason: 'limit-exceeded', failed_slot_id: meal.slotId },
    })
    expect(replyTo).toBe('api/7')
    expect(told).toEqual(tells('cancel', seat, ride))
    expect(world.booking()).toMatchObject({
      version: 3,
      deadlineMs: null,
      endsMs: Date.parse(july2),
      items: [{ status: 'held' }, { status: 'refused' }, { status: 'asked' }],
    })
  })

  test('of a single slot decide alone', () => {
    expect(given(book([seat])).when(answer(seat)).told).toEqual(tells('confirm', seat))
    expect(given(book([seat])).when(answer(seat, 'slot-not-found', null)).told).toEqual([])
  })

  test.each(['sold-out', 'slot-not-found', 'slot-closed', 'sales-not-open', 'limit-exceeded'])(
    'say why: %s',
    (code) => {
      expect(pending().when(answer(seat, code)).outcome).toMatchObject({ code, booking: { reason: code } })
    },
  )

  test('change nothing when they come again, or say something else the second time', () => {
    const world = given(book([seat, meal, ride]), answer(seat))
    const before = world.booking()
    expect(world.when(answer(seat)).events).toEqual([])
    expect(world.when(answer(seat, 'sold-out')).events).toEqual([])
    expect(world.booking()).toBe(before)
  })

  test('count for the item that they name only', () => {
    const world = given(book(both), answer(seat), answer(seat), answer({ ...seat, reservationId: strangeId }))
    expect(world.booking()).toMatchObject({ status: 'pending', version: 2 })
  })

  test.each([
    ['held', held],
    ['confirmed', confirmed],
    ['rejected', rejected],
    ['cancelled', cancelled],
    ['expired', expired],
  ])('change nothing once it is %s', (_status, world) => {
    const { when, booking } = world()
    const before = booking()
    for (const code of ['held', 'sold-out'])
      expect(when(answer(meal, code))).toMatchObject({ events: [], told: [] })
    expect(booking()).toBe(before)
  })

  test('to a booking that nobody knows change nothing', () => {
    expect(given().when(answer(seat))).toMatchObject({ outcome: { code: 'booking-not-found' }, events: [] })
  })
})

describe('the deadline of a pending booking', () => {
  test('rejects it and releases every slot, also those that have not answered', () => {
    const world = given(book(both), answer(seat))
    expect(world.when(wake(), pendingEndMs - 1).events).toEqual([])
    expect(world.when(wake(), pendingEndMs).told).toEqual(tells('cancel', seat, meal))
    expect(world.booking()).toMatchObject({
      status: 'rejected',
      reason: 'booking-timed-out',
      failedSlotId: null,
    })
    expect(world.when(book(both), pendingEndMs).outcome.code).toBe('booking-timed-out')
  })

  test('comes before the last answer of the same time, and not before one a millisecond earlier', () => {
    const late = given(book(both), answer(seat))
    expect(late.when(answer(meal), pendingEndMs).told).toEqual(tells('cancel', seat, meal))
    expect(late.booking()?.status).toBe('rejected')
    const early = given(book(both), answer(seat))
    expect(early.when(answer(meal), pendingEndMs - 1).told).toEqual(tells('confirm', seat, meal))
    expect(early.when(wake(), pendingEndMs).events).toEqual([])
    expect(early.booking()?.status).toBe('confirmed')
  })

  test('is met by any command, and that command is decided after it', () => {
    expect(pending().when(cancel(), pendingEndMs).outcome.code).toBe('not-cancellable')
    expect(pending().when(confirm(), pendingEndMs).outcome.code).toBe('not-confirmable')
    expect(pending().when(overdue(seat.reservationId), pendingEndMs).told).toEqual([
      ...tells('cancel', seat, meal),
      ...tells('cancel', seat),
    ])
    expect(
      pending()
        .when(erase('ann', 'gone-1'), pendingEndMs)
        .events.map(({ type }) => type),
    ).toEqual(['booking_rejected', 'booker_erased'])
  })
})

describe('the deadline of a held booking', () => {
  test('expires it and releases every slot', () => {
    const world = held()
    expect(world.when(wake(), holdEndMs - 1).events).toEqual([])
    expect(world.when(wake(), holdEndMs).told).toEqual(tells('cancel', seat, meal))
    expect(world.booking()).toMatchObject({ status: 'expired', deadlineMs: null, version: 5 })
    expect(world.when(wake(), holdEndMs + 1).events).toEqual([])
  })

  test('is when the writer wakes it next', () => {
    const dueAt = (world: ReturnType<typeof given>) => {
      const booking = world.booking()
      return booking === null ? undefined : bookingDecider.dueAtOfHeader(booking)
    }
    expect([pending(), held(), confirmed(), rejected(), cancelled(), expired()].map(dueAt)).toEqual([
      pendingEndMs,
      holdEndMs,
      null,
      null,
      null,
      null,
    ])
  })
})

describe('a slot that has heard nothing for long', () => {
  const id = seat.reservationId

  test('is told again what became of the booking, without a version', () => {
    const world = confirmed()
    const before = world.booking()
    expect(world.when(overdue(id)).told).toEqual(tells('confirm', seat))
    expect(world.booking()).toBe(before)
    for (const over of [rejected(), cancelled(), expired()]) {
      expect(over.when(overdue(id), holdEndMs).told).toEqual(tells('cancel', seat))
    }
  })

  test('waits on while the booking is open', () => {
    for (const open of [pending(), held()]) {
      expect(open.when(overdue(id))).toMatchObject({ events: [], told: [] })
    }
  })

  test('releases what no booking knows of', () => {
    const nobody = given()
    expect(nobody.when(overdue(id))).toMatchObject({
      outcome: { code: 'booking-not-found' },
      told: tells('cancel', seat),
    })
    expect(nobody.booking()).toBeNull()
    for (const world of [pending(), confirmed()]) {
      expect(world.when(overdue(strangeId)).told).toEqual([`cancel ${strangeId}`])
    }
  })
})
