/** Several slots or none: what breaks that is named, what is on its way is not. */
import { randomUUID } from 'node:crypto'
import { topics } from '@ironsys/contracts'
import { expect, test } from 'vitest'
import { runAudit } from './audit.ts'
import { type Damage, describeDamages, useWorld } from './audited-world.fixture.ts'
import { liveOn } from './life.fixture.ts'

const audited = useWorld(liveOn)

const booking = (name: string, set: string) => `UPDATE bookings SET ${set} WHERE id = '{${name}}'`
const reservation = (name: string, set: string) => `UPDATE reservations SET ${set} WHERE id = '{${name}}'`

const damages: readonly Damage[] = [
  [
    'a confirmation that one slot has not got',
    reservation('booked', `status = 'held', expires_at = now() + interval '5 min'`),
    'bookings: booking {booking}: it is confirmed, but reservation {booked} is held',
  ],
  [
    'a release that one slot has not got',
    booking('heldBooking', `status = 'expired', deadline = NULL`),
    'bookings: booking {heldBooking}: it is expired, but reservation {bookedHold} is held',
  ],
  [
    'a cancel that sold slots have not got',
    booking('booking', `status = 'cancelled'`),
    'bookings: booking {booking}: it is cancelled, but reservation {booked} is confirmed',
    'bookings: booking {booking}: it is cancelled, but reservation {bookedToo} is confirmed',
  ],
  [
    'a hold that was sold without its booking',
    reservation('bookedHold', `status = 'confirmed', expires_at = NULL`),
    'bookings: booking {heldBooking}: it is held, but reservation {bookedHold} is confirmed',
  ],
  [
    'a hold of a booking that nobody knows',
    `DELETE FROM bookings WHERE id = '{heldBooking}'; DELETE FROM booking_items WHERE booking_id = '{heldBooking}'`,
    'bookings: booking {heldBooking}: there is no such booking, but reservation {bookedHold} is held for it',
  ],
  [
    'a reservation gone',
    `DELETE FROM reservations WHERE id = '{booked}'`,
    'bookings: booking {booking}: it is confirmed, but reservation {booked} is not stored',
  ],
  [
    'a reservation of another booking',
    reservation('booked', `booking_id = '{heldBooking}'`),
    'bookings: booking {booking}: reservation {booked} belongs to booking {heldBooking}',
  ],
  [
    'other units',
    `UPDATE booking_items SET quantity = 2 WHERE reservation_id = '{booked}'`,
    'bookings: booking {booking}: it asked for 2 units, reservation {booked} has 1',
  ],
  [
    'a deadline that nobody keeps',
    booking('heldBooking', `deadline = now() - interval '61 s'`),
    'bookings: booking {heldBooking}: it is held, and its deadline was over at ',
  ],
]

describeDamages('bookings', damages, audited)

test('bookings on every page are looked at', async () => {
  await audited.world.pool.query(audited.filled(`UPDATE bookings SET status = 'cancelled', deadline = NULL`))
  const whole = await audited.findings({ only: ['bookings'] })
  expect(whole).toHaveLength(3)
  expect([...(await audited.findings({ only: ['bookings'], bookingsPerPage: 1 }))].sort()).toEqual(
    [...whole].sort(),
  )
})

/** A cancel that the booking has decided and its slots have not heard of. */
async function cancelOnItsWay(): Promise<void> {
  const { writer } = audited.world
  const id = audited.filled('{booking}')
  const command = { v: 2, type: 'cancel_booking', id: randomUUID(), booking_id: id }
  writer.append(topics.bookingCommands, id, JSON.stringify(command))
  await writer.decideBookings()
}

const auditWith = (waitMs: number) =>
  runAudit(
    { ...audited.world, nowMs: () => 0 },
    { only: ['bookings'], bookingWaitMs: waitMs, bookingLooks: 20 },
  )

test('what a booking has decided and its slots do not know yet is not judged, and that is said', async () => {
  await cancelOnItsWay()
  const report = await auditWith(50)
  expect(report).toMatchObject({ findings: [], complete: false })
  expect(report.checks[0]?.skipped).toContain('have not applied yet')
})

test('what is on its way is waited for', async () => {
  await cancelOnItsWay()
  const [report] = await Promise.all([auditWith(20_000), audited.world.writer.drain()])
  expect(report).toMatchObject({ findings: [], complete: true })
  expect(await audited.findings()).toEqual([])
})

test('what waits in the outbox is on its way, too', async () => {
  const { world } = audited
  const text = `UPDATE bookings SET status = 'cancelled' WHERE id = '{booking}'`
  await world.pool.query(audited.filled(text))
  await world.pool.query(`
    INSERT INTO outbox (topic, partition, first_seq, last_seq, messages)
    SELECT topic, partition, event_seq, event_seq, '[]' FROM partition_progress
     WHERE topic = '${topics.bookingCommands}' AND event_seq > 0`)
  expect(await auditWith(50)).toMatchObject({ findings: [], complete: false })
  await world.pool.query('DELETE FROM outbox')
  expect((await auditWith(50)).findings).toHaveLength(2)
})
