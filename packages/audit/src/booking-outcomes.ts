/**
 * What commands to bookings must have led to. As with reservations, a create has its row, and the others must not have
 * left what they are about as it was before them.
 */

import { bookingDecider } from '@ironsys/bookings'
import { type BookingCommand, topics } from '@ironsys/contracts'
import type { LogRecord } from '@ironsys/engine'
import { DAY_MS, type Expected, lastChangeSql, type OutcomeRules } from './outcomes.ts'

const isTheirs = `r.id = c.id AND (c.person IS NULL OR r.user_id = c.person)`

export const bookingOutcomes: OutcomeRules = {
  topic: topics.bookingCommands,
  expectedOf: (records, onNewer) => records.flatMap((record) => expectationsOf(record, onNewer)),
  isMissingSql: `CASE c.kind
     WHEN 'book' THEN NOT EXISTS (SELECT FROM bookings r WHERE r.id = c.id)
     WHEN 'cancel_booking' THEN EXISTS (
       SELECT FROM bookings r WHERE ${isTheirs} AND r.status IN ('pending', 'held', 'confirmed') AND ${lastChangeSql} < c."atMs")
     WHEN 'confirm_booking' THEN EXISTS (
       SELECT FROM bookings r WHERE ${isTheirs} AND r.status = 'held' AND ${lastChangeSql} < c."atMs")
     WHEN 'item_decided' THEN EXISTS (
       SELECT FROM booking_items i JOIN bookings r ON r.id = i.booking_id
        WHERE i.reservation_id = c.id AND i.booking_id = c."bookingId" AND i.status = 'asked' AND r.status = 'pending'
          AND r.created_at < t.at)
     WHEN 'erase_booker' THEN EXISTS (
       SELECT FROM bookings r WHERE r.id = c.id AND r.user_id = c.person AND r.created_at < t.at)
     WHEN 'retire_booking' THEN EXISTS (
       SELECT FROM bookings r WHERE r.id = c.id AND r.deadline IS NULL AND ${lastChangeSql} < c."atMs"
          AND greatest(r.created_at, r.ends_at) + c."keepMs" * interval '1 ms' <= t.at)
     ELSE true END`,
  isGoneSql: `c.kind = 'book'`,
  retiredKeyOf: (record) => {
    const command = bookingDecider.parse(record.value)
    return 'type' in command && command.type === 'retire_booking' ? command.booking_id : null
  },
}

function expectationsOf(record: LogRecord, onNewer: (detail: string) => void): readonly Expected[] {
  const command = bookingDecider.parse(record.value)
  const { offset, timeMs: atMs } = record
  if ('unreadable' in command) {
    if (command.unreadable === 'newer-schema') {
      onNewer(command.detail)
      return []
    }
    const missing = 'the record cannot be read, but is no dead letter'
    return [{ offset, atMs, kind: 'unreadable', id: command.commandId, key: null, missing }]
  }
  const effect = ledTo(command)
  return effect === null ? [] : [{ kind: command.type, key: null, ...effect, offset, atMs }]
}

function ledTo(command: BookingCommand): (Pick<Expected, 'id' | 'missing'> & Partial<Expected>) | null {
  switch (command.type) {
    case 'book': {
      const missing = `booking ${command.id} was accepted, but has no outcome: no booking, no dead letter`
      return { id: command.id, key: command.id, missing }
    }
    case 'confirm_booking':
    case 'cancel_booking': {
      const { booking_id: id, caller: person } = command
      const missing =
        command.type === 'cancel_booking'
          ? `booking ${id} was cancelled, but is not over`
          : `booking ${id} was confirmed, but is held`
      return { id, person, missing }
    }
    case 'item_decided': {
      const { booking_id: bookingId, reservation_id: id } = command
      return {
        id,
        bookingId,
        missing: `booking ${bookingId} has heard of reservation ${id}, but waits for it`,
      }
    }
    case 'erase_booker': {
      const { booking_id: id, user_id: person } = command
      if (person === command.pseudonym) return null
      return { id, person, missing: `booking ${id} was erased, but names the person` }
    }
    case 'retire_booking': {
      const { booking_id: id, keep_days: keepDays } = command
      return { id, keepMs: keepDays * DAY_MS, missing: `booking ${id} was retired, but is stored` }
    }
    case 'hold_overdue':
    case 'wake_booking':
      return null
  }
}
