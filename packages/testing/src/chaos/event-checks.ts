/** The events topics (I8): in order, at least once, without gaps, and the same story as what is stored. */
import { type CommandTopic, topics } from '@ironsys/contracts'
import { type Check, checkEach, type Evidence, grouped } from './evidence.ts'
import type { BookingFact, EventFact, Facts, PartitionFact } from './facts.ts'
import { had } from './lives.ts'

export const eventsGapless: Check = {
  name: 'events-gapless',
  promise: 'first occurrences run 1, 2, 3, … to the last sequence that was drawn; repeats are the same bytes',
  run: ({ facts }) => ({
    checked: facts.partitions.reduce((sum, { events }) => sum + events.length, 0),
    violations: facts.partitions.flatMap(faultsOfPartition),
  }),
}

function faultsOfPartition({ topic, partition, events, eventSeq }: PartitionFact): readonly string[] {
  const where = `${topic}/${partition}`
  const faults: string[] = []
  const texts: string[] = []
  for (const { seq, offset, text } of events) {
    if (seq === texts.length + 1) texts.push(text)
    else if (seq > texts.length) {
      faults.push(`${where} offset ${offset}: ${seq} comes where ${texts.length + 1} should`)
      // One gap, one line.
      while (texts.length < seq - 1) texts.push('')
      texts.push(text)
    } else if (texts[seq - 1] !== '' && texts[seq - 1] !== text) {
      faults.push(`${where} offset ${offset}: ${seq} was another event before`)
    }
  }
  if (texts.length !== eventSeq) faults.push(`${where}: ends at ${texts.length} of ${eventSeq}`)
  return faults
}

export const eventsMatchLedger: Check = {
  name: 'events-match-ledger',
  promise: 'the ledger and the rejections have one event each, and no event is without its entry',
  run: (evidence) => {
    const told = new Map<string, number>()
    const late: EventFact[] = []
    for (const event of firstEvents(evidence.facts, topics.reservationCommands)) {
      if (event.type === 'late_confirmation_refused') late.push(event)
      else told.set(keyOf(event), (told.get(keyOf(event)) ?? 0) + 1)
    }
    const stored = storedKeys(evidence)
    const missing = checkEach([...stored], (key) => {
      const times = told.get(key) ?? 0
      return times === 1 ? [] : [`${key}: ${times} events`]
    })
    const unfounded = [...told.keys()].filter((key) => !stored.has(key))
    const lates = checkEach(late, ({ reservationId }) =>
      had(evidence.reservations.get(reservationId ?? '')?.life ?? [], 'expired')
        ? []
        : [`late confirmation of ${reservationId}, which has not expired`],
    )
    return {
      checked: missing.checked + lates.checked,
      violations: [
        ...missing.violations,
        ...unfounded.map((key) => `${key}: an event, and no entry`),
        ...lates.violations,
      ],
    }
  },
}

export const eventsMatchBookings: Check = {
  name: 'events-match-bookings',
  promise: 'the events of a booking are its versions 1, 2, 3, … and tell its life',
  run: ({ facts, bookings }) => {
    const events = firstEvents(facts, topics.bookingCommands)
    // An answer to a slot that asks again changes nothing about its booking, which need not even exist.
    const own = grouped(events, ({ type, key }) => (type === 'overdue_answered' ? null : key))
    const told = checkEach(facts.bookings, (booking) => {
      const fault = unlike(booking, own.get(booking.id) ?? [])
      return fault === null ? [] : [`booking ${booking.id}: ${fault}`]
    })
    const unfounded = [...own.keys()].filter((id) => !bookings.has(id))
    return {
      checked: told.checked,
      violations: [...told.violations, ...unfounded.map((id) => `booking ${id}: events, and no booking`)],
    }
  },
}

const bookingStatusOf: Readonly<Record<string, string>> = {
  booking_requested: 'pending',
  booking_held: 'held',
  booking_confirmed: 'confirmed',
  booking_rejected: 'rejected',
  booking_cancelled: 'cancelled',
  booking_expired: 'expired',
}

function unlike({ version, life }: BookingFact, events: readonly EventFact[]): string | null {
  const versions = events.map((event) => event.version)
  if (versions.length !== version || versions.some((each, at) => each !== at + 1))
    return `is at version ${version}, its events are ${versions.join(' ')}`
  const told = events.flatMap(({ type }) => bookingStatusOf[type] ?? []).join(' ')
  const lived = life.map(({ status }) => status).join(' ')
  return told === lived ? null : `was ${lived}, its events say ${told}`
}

/** Without their repeats, in the order of their partitions. */
function firstEvents({ partitions }: Facts, topic: CommandTopic): readonly EventFact[] {
  return partitions.flatMap((partition) => {
    if (partition.topic !== topic) return []
    const seen = new Set<number>()
    return partition.events.filter(({ seq }) => !seen.has(seq) && seen.add(seq))
  })
}

/** A rejection takes no version, so its reservation names it; everything else is an entry of the ledger. */
function keyOf({ type, key, version, reservationId }: EventFact): string {
  return type === 'reservation_rejected'
    ? `rejection of ${reservationId}`
    : `${type} ${reservationId ?? ''} of slot ${key} at version ${version}`
}

function storedKeys({ facts }: Evidence): ReadonlySet<string> {
  const rejected = facts.reservations.filter(({ status }) => status === 'rejected')
  return new Set([
    ...rejected.map(({ id }) => `rejection of ${id}`),
    ...facts.ledger.map(
      ({ type, slotId, version, reservationId }) =>
        `${type} ${reservationId ?? ''} of slot ${slotId} at version ${version}`,
    ),
  ])
}
