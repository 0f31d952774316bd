/** Records that come past the edge: of producers that write nonsense, of zombies, and of clients with perfect timing. */
import { partitionOfKey, topics } from '@ironsys/contracts'
import type { Reservation } from '@ironsys/reservations'
import { writeBooking } from './booking-wishes.ts'
import { type Wish, type WrittenCommand, writeSlotCommand } from './commands.ts'
import { bookingIdOf, reservationIdOf } from './ids.ts'
import type { Late } from './model/meaning.ts'
import { commandTopic, type System } from './system.ts'
import { plainReservation } from './workload.ts'

const YEAR_S = 365 * 24 * 3600

/** A wake that nobody needs, or what no edge would write. */
export function appendStray(system: System, slotIds: readonly string[], number: number): void {
  const { random } = system.timeline
  const { checker, log, partitions } = system
  if (random.chance(0.3)) {
    appendStrayBooking(system, slotIds, number)
    return
  }
  const slotId = random.pickAny(slotIds) ?? ''
  const write = (wish: Wish, user: string): WrittenCommand =>
    writeSlotCommand({ key: `stray ${number}`, user, wish }, {}, partitions)
  if (random.chance(0.4)) {
    append(system, write({ type: 'wake_slot', slotId }, 'a zombie'))
    return
  }
  const sound = write({ ...plainReservation, slotId }, 'poisoner')
  const home = partitionOfKey(slotId, partitions)
  const abroad = (home + 1) % partitions
  const misrouted = abroad !== home && random.chance(0.3)
  const value = misrouted ? sound.value : random.pick(malformed(sound.value, number))
  checker.meanings.set(value, { kind: 'poison', code: misrouted ? 'misrouted' : 'malformed' })
  log.append(commandTopic, misrouted ? abroad : home, slotId, value)
}

function malformed(sound: string, number: number): readonly [string, ...string[]] {
  return [
    `not JSON ${number}`,
    `{"v":1,"number":${number}}`,
    sound.replace('"quantity":1', '"quantity":-1'),
    sound.replace('"quantity":1', '"quantity":0'),
    sound.replace('"type":"reserve"', '"type":"steal"'),
    sound.replace('"quantity":1', '"quantity":1,"hold_ttl_seconds":0'),
    sound.replace('"quantity":1', `"quantity":1,"hold_ttl_seconds":${YEAR_S}`),
    sound.replace('"quantity":1', '"quantity":1,"mode":"steal"'),
    sound.replace('"type":"reserve"', '"type":"confirm","late":"never"'),
  ]
}

/** A slot that asks of a booking what becomes of its hold, or a booking that no edge would write. */
function appendStrayBooking(system: System, slotIds: readonly string[], number: number): void {
  const { bookings, bookingChecker, log, partitions, timeline } = system
  const { random } = timeline
  const known = random.pickAny([...bookings.headers.values()])
  const someId = bookingIdOf({ user: 'nobody', key: `${number}` })
  if (random.chance(0.5)) {
    const bookingId = known !== undefined && random.chance(0.8) ? known.id : someId
    const reservationId =
      known?.items[0]?.reservationId ?? reservationIdOf({ user: '', key: '' }, slotIds[0] ?? '')
    const ids = { booking_id: bookingId, reservation_id: reservationId }
    const value = JSON.stringify({ v: 2, id: someId, type: 'hold_overdue', ...ids })
    log.append(topics.bookingCommands, partitionOfKey(bookingId, partitions), bookingId, value)
    return
  }
  const items = slotIds.slice(0, 1).map((slotId) => ({ slotId, quantity: 1 }))
  const wish = { type: 'book', items, mode: 'hold', holdTtlMs: 5000 } as const
  const intent = { user: 'poisoner', key: `stray ${number}`, wish }
  const { value: sound, logKey, partition } = writeBooking(intent, { v: 2 }, partitions)
  const value = random.pick(malformedBookings(sound))
  bookingChecker.meanings.set(value, { kind: 'poison', code: 'malformed' })
  log.append(topics.bookingCommands, partition, logKey, value)
}

function malformedBookings(sound: string): readonly [string, ...string[]] {
  const [, item = ''] = /"items":\[(.*?)\]/.exec(sound) ?? []
  const withItems = (count: number) => sound.replace(item, Array.from({ length: count }, () => item).join())
  return [
    withItems(0),
    // The same slot twice, and more items than there may be.
    withItems(2),
    withItems(21),
    sound.replace('"hold_ttl_seconds":5', '"hold_ttl_seconds":0'),
    sound.replace('"hold_ttl_seconds":5', `"hold_ttl_seconds":${YEAR_S}`),
  ]
}

/** Some clients confirm or cancel at the very millisecond at which a hold ends, or one before it; or want its units. */
export function startPunctualClients(system: System, share: number): void {
  const { timeline, log } = system
  const { random, world } = timeline
  system.onCommit((effects) => {
    for (const { row } of effects.rows.values()) {
      if (row.bookingId !== null) continue
      if (row.status === 'expired' && random.chance(share)) payLate(system, row)
      if (row.status !== 'held' || row.expiresMs === null || !random.chance(share)) continue
      const brokerMs = Math.floor(timeline.nowMs + log.clockSkewMs)
      const delayMs = row.expiresMs - random.integer(0, 1) - brokerMs
      if (random.chance(0.2)) {
        timeline.schedule(world, delayMs + random.integer(0, 9), () => askForAll(system, row.slotId))
        continue
      }
      const late = random.pick<Late | null>([null, 'rehold', 'waitlist'])
      const about = { reservationId: row.id, caller: null }
      const wish: Wish = random.chance(0.7)
        ? { type: 'confirm', late, ...about }
        : { type: 'cancel', ...about }
      const intent = { key: `at ${row.expiresMs}`, user: 'punctual', wish }
      timeline.schedule(world, delayMs, () => append(system, writeSlotCommand(intent, {}, system.partitions)))
    }
  })
}

/** Somebody has paid for a hold that is over, and at times has taken something else in its place meanwhile. */
function payLate(system: System, row: Reservation): void {
  const { timeline, partitions } = system
  const { id: reservationId, slotId, userId } = row
  const { random, world } = timeline
  const key = `paid ${reservationId}`
  const paidMs = random.integer(1, 2000)
  if (random.chance(0.5)) {
    const instead: Wish = {
      ...plainReservation,
      slotId,
      quantity: mayStillHave(system, row),
      mode: 'confirm',
    }
    const command = writeSlotCommand({ key, user: userId, wish: instead }, {}, partitions)
    timeline.schedule(world, random.integer(1, paidMs), () => append(system, command))
  }
  const late = random.pick<Late>(['rehold', 'rehold', 'waitlist'])
  const wish: Wish = { type: 'confirm', reservationId, late, caller: null }
  const command = writeSlotCommand({ key, user: 'late', wish }, {}, partitions)
  timeline.schedule(world, paidMs, () => append(system, command))
}

/** All that the limit per user leaves, where there is one: then it leaves nothing for whoever comes late. */
function mayStillHave({ checker }: System, { slotId, userId, quantity }: Reservation): number {
  const book = checker.model.books.get(slotId)
  const max = book?.slot?.maxPerUser ?? null
  return book === undefined || max === null ? quantity : Math.max(1, max - book.unitsOf(userId))
}

/** A zombie wakes each slot; before it, at times, somebody wants all that is to be had there. */
export function pressAll(system: System): void {
  const { timeline, database, partitions } = system
  for (const slotId of database.headers.keys()) {
    if (timeline.random.chance(0.5)) askForAll(system, slotId)
    const intent = { key: `woken at ${timeline.nowMs}`, user: 'a zombie' }
    append(system, writeSlotCommand({ ...intent, wish: { type: 'wake_slot', slotId } }, {}, partitions))
  }
}

/** What is free, and what will be once all that is due has ended. */
function askForAll(system: System, slotId: string): void {
  const { timeline, checker, log, partitions } = system
  const book = checker.model.books.get(slotId)
  if (book === undefined) return
  const due = book.due(timeline.nowMs + log.clockSkewMs).filter(({ bookingId }) => bookingId === null)
  const quantity = Math.max(
    1,
    due.reduce((units, hold) => units + hold.quantity, book.freeUnits),
  )
  const intent = { key: `${slotId} at ${timeline.nowMs}`, user: `greedy ${timeline.steps}` }
  const wish: Wish = { ...plainReservation, slotId, quantity }
  append(system, writeSlotCommand({ ...intent, wish }, {}, partitions))
}

function append({ checker, log }: System, { partition, logKey, value, meaning }: WrittenCommand): void {
  checker.meanings.set(value, meaning)
  log.append(commandTopic, partition, logKey, value)
}
