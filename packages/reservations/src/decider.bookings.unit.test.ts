/** Reservations of a booking: only its coordinator says what becomes of them. */
import { describe, expect, test } from 'vitest'
import {
  book,
  bookingId,
  buy,
  cancel,
  confirm,
  hold,
  otherBookingId,
  slot,
  timeAt,
  update,
  wake,
} from './commands.fixture.ts'
import { given } from './decider.fixture.ts'

const booking = { booking_id: bookingId }

describe('a booking’s reservation', () => {
  test.each([
    ['holds', { hold_ttl_seconds: 60 }],
    ['confirms', {}],
  ])(
    'is a hold until the booking is asked, at a slot that %s by itself and whatever the request says',
    (_how, more) => {
      given(slot(more))
        .when(book('ann', 2, { mode: 'confirm', hold_ttl_seconds: 1 }))
        .answers('ok', { reservation: { status: 'held', booking_id: bookingId } })
        .happens('reservation_held ann')
        .now('ann held until 300')
        .counts({ held: 2 })
    },
  )

  test('shows no end', () => {
    const { reservation } = given(slot(), book('ann')).outcome
    expect(reservation).toMatchObject({ status: 'held' })
    expect(reservation).not.toHaveProperty('expires_at')
  })

  test('never stands in line', () => {
    given(slot({ waitlist: true }), buy('ann', 10))
      .when(book('bob', 1, { join_waitlist: true }))
      .answers('sold-out')
      .now('bob rejected')
  })

  test.each([
    ['nobody', {}],
    ['the user', { caller: 'ann' }],
    ['another booking', { booking_id: otherBookingId }],
  ])('is neither confirmed nor cancelled by %s', (_who, whose) => {
    const code = 'part-of-booking'
    given(slot(), book('ann'))
      .when(confirm('ann', whose))
      .answers(code, { reservation: { status: 'held' } })
      .happens()
      .when(cancel('ann', whose))
      .answers(code)
      .happens()
  })

  test('reads as unknown to somebody else', () => {
    const code = 'reservation-not-found'
    given(slot(), book('ann'))
      .when(confirm('ann', { caller: 'bob' }))
      .answers(code)
      .happens()
      .when(cancel('ann', { caller: 'bob' }))
      .answers(code)
      .happens()
      .now('ann held until 300')
  })

  test('is confirmed by its booking, and again', () => {
    given(slot(), book('ann'))
      .when(confirm('ann', booking))
      .answers('ok', { reservation: { status: 'confirmed' } })
      .happens('hold_confirmed ann')
      .when(confirm('ann', booking))
      .answers('ok')
      .happens()
      .when(cancel('ann'))
      .answers('part-of-booking')
  })

  test.each([
    ['held', []],
    ['confirmed', [confirm('ann', booking)]],
  ])('is cancelled by its booking when it is %s, once', (_what, before) => {
    given(slot(), book('ann', 4), ...before)
      .when(cancel('ann', booking))
      .answers('ok', { reservation: { status: 'cancelled' } })
      .happens('reservation_cancelled ann')
      .counts({ held: 0, confirmed: 0 })
      .when(cancel('ann', booking))
      .answers('ok')
      .happens()
  })

  test('is only answered where it was cancelled, rejected or never there', () => {
    given(slot({ capacity: 1 }), book('ann'), cancel('ann', booking), buy('cy'), book('bob'))
      .when(confirm('ann', booking))
      .answers('not-confirmable')
      .happens()
      .when(cancel('bob', booking))
      .answers('not-cancellable')
      .happens()
      .when(confirm('bob', booking))
      .answers('not-confirmable')
      .happens()
      .when(cancel('nobody', booking))
      .answers('reservation-not-found')
      .happens()
  })
})

test('a reservation without a booking is neither confirmed nor cancelled by one', () => {
  given(slot(), hold('ann', 1, { hold_ttl_seconds: 60 }))
    .when(confirm('ann', booking))
    .answers('part-of-booking')
    .happens()
    .when(cancel('ann', booking))
    .answers('part-of-booking')
    .happens()
    .now('ann held until 60')
})

describe('a booking that says nothing', () => {
  test('is asked after five minutes, then at the next command after five more; the units stay held', () => {
    given(slot(), book('ann', 10))
      .at(299.999)
      .when(wake())
      .happens()
      .at(300)
      .when(wake())
      .happens('hold_overdue ann')
      .now('ann held until 600')
      .counts({ held: 10, version: 3 })
      .at(700)
      .when(buy('bob'))
      .answers('sold-out')
      .happens('hold_overdue ann', 'reservation_rejected bob')
      .now('ann held until 1000')
  })

  test('may confirm or cancel however late', () => {
    given(slot(), book('ann'), book('bob'))
      .at(100_000)
      .when(confirm('ann', booking))
      .answers('ok')
      .when(cancel('bob', booking))
      .answers('ok')
      .now('ann confirmed', 'bob cancelled')
      .counts({ held: 0, confirmed: 1 })
  })

  test('is not asked any more once it has said', () => {
    given(slot(), book('ann'), confirm('ann', booking)).at(300).when(wake()).happens()
  })

  test('keeps nobody’s hold from ending', () => {
    given(slot(), book('ann'), hold('bob', 1, { hold_ttl_seconds: 301 }))
      .at(301)
      .when(wake())
      .happens('hold_overdue ann', 'hold_expired bob')
  })
})

test.each([
  ['slot-not-found', []],
  ['slot-closed', [slot(), update({ status: 'closed' })]],
  ['sales-not-open', [slot({ sales_open_at: timeAt(1) })]],
  ['slot-closed', [slot({ sales_close_at: timeAt(0) })]],
  ['limit-exceeded', [slot({ max_per_user: 1 })]],
  ['sold-out', [slot({ capacity: 1 })]],
] as const)('a booking is refused as anybody is: %s', (code, before) => {
  given(...before)
    .when(book('ann', 2))
    .answers(code)
    .happens('reservation_rejected ann')
    .now('ann rejected')
})
