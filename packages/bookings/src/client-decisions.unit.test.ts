/** The specification of bookings, given / when / then: what people ask for. */
import { limits } from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import {
  answer,
  book,
  bookingId,
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
  july1,
  july2,
  meal,
  noonMs,
  pending,
  pendingEndMs,
  rejected,
  retire,
  seat,
  tells,
  wake,
} from './booking-world.fixture.ts'
import { PENDING_MS } from './state.ts'

const dayMs = 24 * 3600 * 1000

describe('a booking that is asked for', () => {
  test('is pending, asks each slot for a hold, and answers nobody yet', () => {
    const { outcome, replyTo, told } = given().when(book(both, { reply_to: 'api/7' }))
    expect(outcome).toMatchObject({ code: 'ok', booking: { id: bookingId, status: 'pending' } })
    expect(replyTo).toBeNull()
    expect(told).toEqual(tells('reserve', seat, meal))
  })

  test('keeps what is needed to decide it', () => {
    const world = pending({ reply_to: 'api/7', body_hash: 'a'.repeat(32) })
    expect(world.booking()).toEqual({
      version: 1,
      id: bookingId,
      userId: 'ann',
      status: 'pending',
      holdTtlMs: null,
      createdMs: noonMs,
      deadlineMs: pendingEndMs,
      endsMs: null,
      reason: null,
      failedSlotId: null,
      bodyHash: 'a'.repeat(32),
      replyTo: 'api/7',
      items: both.map((item) => ({ ...item, status: 'asked' })),
      transitions: [{ status: 'pending', atMs: noonMs, reason: null }],
    })
  })

  test('waits longer for its slots than any client waits for it', () => {
    expect(PENDING_MS).toBeGreaterThan(limits.waitSecondsMax * 1000)
  })

  test('is the same booking when it is asked for again, as it is today', () => {
    const world = confirmed()
    const { outcome, events, replyTo } = world.when(book(both, { reply_to: 'api/8' }))
    expect(outcome).toMatchObject({ code: 'ok', booking: { status: 'confirmed' } })
    expect([events, replyTo]).toEqual([[], undefined])
    expect(rejected().when(book(both)).outcome).toMatchObject({
      code: 'sold-out',
      booking: { status: 'rejected' },
    })
  })

  test('is asked for again while it is pending: another sender hears so, its own goes on waiting', () => {
    const world = pending({ reply_to: 'api/7' })
    expect(world.when(book(both, { reply_to: 'api/7' }))).toMatchObject({ replyTo: null, events: [] })
    expect(world.when(book(both, { reply_to: 'api/8' }))).toMatchObject({ replyTo: undefined, events: [] })
    world.when(answer(seat))
    expect(world.when(answer(meal)).replyTo).toBe('api/7')
  })

  test.each([
    ['a key with another body', { body_hash: 'a'.repeat(32) }, { body_hash: 'b'.repeat(32) }],
    ['a key where there was none', {}, { body_hash: 'b'.repeat(32) }],
    ['no key where there was one', { body_hash: 'a'.repeat(32) }, {}],
  ])('is not what %s asks for', (_case, first, second) => {
    const { outcome, events } = pending(first).when(book(both, second))
    expect(outcome).toEqual({ code: 'idempotency-key-reused' })
    expect(events).toEqual([])
  })
})

describe('a confirmation', () => {
  test('of a held booking confirms every hold', () => {
    const world = held()
    const { outcome, told, replyTo } = world.when(confirm(), holdEndMs - 1)
    expect(outcome).toMatchObject({ code: 'ok', booking: { status: 'confirmed' } })
    expect([told, replyTo]).toEqual([tells('confirm', seat, meal), undefined])
    expect(world.when(wake(), holdEndMs).events).toEqual([])
  })

  test('of a confirmed one is done already', () => {
    expect(confirmed().when(confirm())).toMatchObject({ outcome: { code: 'ok' }, events: [], told: [] })
  })

  test('at the deadline comes too late: it expires first', () => {
    const { outcome, told } = held().when(confirm(), holdEndMs)
    expect(outcome).toMatchObject({ code: 'hold-expired', booking: { status: 'expired' } })
    expect(told).toEqual(tells('cancel', seat, meal))
    expect(expired().when(confirm(), holdEndMs + 1)).toMatchObject({
      outcome: { code: 'hold-expired' },
      events: [],
    })
  })

  test.each([
    ['pending', pending],
    ['rejected', rejected],
    ['cancelled', cancelled],
  ])('of a %s one is refused', (status, world) => {
    expect(world().when(confirm())).toMatchObject({
      outcome: { code: 'not-confirmable', booking: { status } },
      events: [],
    })
  })
})

describe('a cancellation', () => {
  test.each([
    ['pending', pending],
    ['held', held],
    ['confirmed', confirmed],
  ])('of a %s booking releases every slot', (_status, start) => {
    const world = start()
    const { outcome, told } = world.when(cancel())
    expect(outcome).toMatchObject({ code: 'ok', booking: { status: 'cancelled' } })
    expect(told).toEqual(tells('cancel', seat, meal))
    expect(world.booking()?.transitions.at(-1)).toEqual({
      status: 'cancelled',
      atMs: noonMs,
      reason: 'by-request',
    })
    expect(world.when(cancel())).toMatchObject({ outcome: { code: 'ok' }, events: [], told: [] })
  })

  test.each([
    ['rejected', rejected],
    ['expired', expired],
  ])('of a %s one is refused', (status, world) => {
    expect(world().when(cancel(), holdEndMs)).toMatchObject({
      outcome: { code: 'not-cancellable', booking: { status } },
      events: [],
    })
  })

  test('of a pending one answers who asked for it, or else who waits for the booking', () => {
    expect(pending({ reply_to: 'api/7' }).when(cancel({ reply_to: 'api/8' })).replyTo).toBe('api/8')
    expect(pending({ reply_to: 'api/7' }).when(cancel()).replyTo).toBe('api/7')
    expect(pending().when(cancel()).replyTo).toBeNull()
  })

  test('and a confirmation have one winner: the first in the log', () => {
    const cancelFirst = held()
    cancelFirst.when(cancel())
    expect(cancelFirst.when(confirm())).toMatchObject({ outcome: { code: 'not-confirmable' }, told: [] })
    const confirmFirst = held()
    confirmFirst.when(confirm())
    expect(confirmFirst.when(cancel()).told).toEqual(tells('cancel', seat, meal))
    expect(confirmFirst.booking()?.transitions.map(({ status }) => status)).toEqual([
      'pending',
      'held',
      'confirmed',
      'cancelled',
    ])
  })

  test('wins over the answers behind it, and comes too late for a refusal before it', () => {
    const world = given(book(both), answer(seat), cancel())
    expect(world.when(answer(meal))).toMatchObject({ events: [], told: [] })
    expect(rejected().when(cancel()).told).toEqual([])
  })
})

describe('somebody else', () => {
  test.each([
    ['confirmation', confirm],
    ['cancellation', cancel],
  ])('finds no booking for a %s', (_name, ask) => {
    const world = held()
    expect(world.when(ask({ caller: 'bob' }))).toEqual(given().when(ask()))
    expect(world.booking()?.status).toBe('held')
    expect(world.when(ask({ caller: 'ann' })).outcome.code).toBe('ok')
  })
})

describe('erasure', () => {
  test('replaces the person, and drops what the request would be known by', () => {
    const world = pending({ body_hash: 'a'.repeat(32) })
    expect(world.when(erase('ann', 'gone-1'))).toMatchObject({ outcome: { code: 'ok' }, told: [] })
    expect(world.booking()).toMatchObject({ userId: 'gone-1', bodyHash: null, version: 2, status: 'pending' })
    expect(JSON.stringify(world.booking())).not.toContain('ann')
    expect(world.when(confirm({ caller: 'ann' })).outcome.code).toBe('booking-not-found')
  })

  test('is done once, and to nobody else', () => {
    const world = pending()
    expect(world.when(erase('bob', 'gone-1'))).toMatchObject({ outcome: { code: 'ok' }, events: [] })
    world.when(erase('ann', 'gone-1'))
    expect(world.when(erase('ann', 'gone-2')).events).toEqual([])
    expect(world.booking()?.userId).toBe('gone-1')
    expect(given().when(erase('ann', 'gone-1')).outcome.code).toBe('booking-not-found')
  })
})

describe('retention', () => {
  const keptUntilMs = (slotEnd: string) => Date.parse(slotEnd) + 30 * dayMs

  test('removes a booking that is over for as long as was said, counted from its last slot', () => {
    const world = given(book(both), answer(seat, 'held', july2), answer(meal, 'held', july1))
    expect(world.when(retire(30), keptUntilMs(july2) - 1)).toMatchObject({
      outcome: { code: 'not-over-yet' },
      events: [],
    })
    expect(world.when(retire(30), keptUntilMs(july2))).toMatchObject({ outcome: { code: 'ok' }, told: [] })
    expect(world.booking()).toBeNull()
    expect(world.when(retire(30), keptUntilMs(july2)).outcome.code).toBe('booking-not-found')
  })

  test.each([
    ['no slot has said when it ends', () => given(book([seat]), answer(seat, 'slot-not-found', null))],
    [
      'its slots were over before',
      () => given(book([seat]), answer(seat, 'slot-closed', '2020-01-01T00:00:00Z')),
    ],
  ])('counts from its beginning where %s', (_case, start) => {
    const world = start()
    expect(world.when(retire(30), noonMs + 30 * dayMs - 1).outcome.code).toBe('not-over-yet')
    expect(world.when(retire(30), noonMs + 30 * dayMs).outcome.code).toBe('ok')
  })

  test('lets a deadline pass first: what was forgotten open is closed, not dropped', () => {
    const { told, events } = pending().when(retire(30), noonMs + 30 * dayMs)
    expect(told).toEqual(tells('cancel', seat, meal))
    expect(events.map(({ type }) => type)).toEqual(['booking_rejected', 'booking_retired'])
  })
})
