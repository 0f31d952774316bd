/**
 * What commands to slots must have led to.
 *
 * A create has its row, a change of a slot is remembered. The others leave no trace of their own; what they would have
 * changed must not be as it was before them:
 * - A cancel or confirm: what belongs to whoever asks did not become held, confirmed or waitlisted before its log time and
 *   stay so. What changed in the same millisecond is judged only for a cancel whose reserve is earlier in the same batch
 *   of records.
 * - An erasure: the reservations do not have the person's id any more. A retirement: the slot is not there any more.
 */
import { type ReservationCommand, topics } from '@ironsys/contracts'
import type { LogRecord } from '@ironsys/engine'
import { reservationDecider } from '@ironsys/reservations'
import { DAY_MS, type Expected, lastChangeSql, type OutcomeRules } from './outcomes.ts'

const isTheirs = `r.id = c.id AND (c.person IS NULL OR r.user_id = c.person) AND r.booking_id IS NOT DISTINCT FROM c."bookingId"`

export const reservationOutcomes: OutcomeRules = {
  topic: topics.reservationCommands,
  expectedOf: (records, onNewer) => {
    const reserved = new Set<string>()
    return records.flatMap((record) => expectationsOf(record, reserved, onNewer))
  },
  isMissingSql: `CASE c.kind
     WHEN 'reserve' THEN NOT EXISTS (SELECT FROM reservations r WHERE r.id = c.id)
     WHEN 'create_slot' THEN NOT EXISTS (SELECT FROM slots s WHERE s.id = c.id)
     WHEN 'update_slot' THEN NOT EXISTS (SELECT FROM applied_commands a WHERE a.command_id = c.id)
     WHEN 'cancel' THEN EXISTS (
       SELECT FROM reservations r WHERE ${isTheirs} AND r.status IN ('held', 'confirmed', 'waitlisted')
          AND (${lastChangeSql} < c."atMs" OR (c."createdBefore" AND r.transitions IS NULL AND r.created_at = t.at)))
     WHEN 'confirm' THEN EXISTS (
       SELECT FROM reservations r WHERE ${isTheirs} AND r.status = 'held' AND ${lastChangeSql} < c."atMs")
     WHEN 'erase_person' THEN EXISTS (
       SELECT FROM reservations r WHERE r.id = c.id AND r.user_id = c.person AND r.created_at < t.at)
     WHEN 'retire_slot' THEN EXISTS (
       SELECT FROM slots s WHERE s.id = c.id AND s.created_at < t.at AND s.end_time + c."keepMs" * interval '1 ms' <= t.at)
     ELSE true END`,
  isGoneSql: `c.kind IN ('reserve', 'create_slot') AND NOT EXISTS (SELECT FROM slots s WHERE s.id = c.key)`,
  retiredKeyOf: (record) => {
    const command = reservationDecider.parse(record.value)
    return 'type' in command && command.type === 'retire_slot' ? command.slot_id : null
  },
}

function expectationsOf(
  record: LogRecord,
  reserved: Set<string>,
  onNewer: (detail: string) => void,
): readonly Expected[] {
  const command = reservationDecider.parse(record.value)
  const { offset, timeMs: atMs } = record
  if ('unreadable' in command) {
    if (command.unreadable === 'newer-schema') {
      onNewer(command.detail)
      return []
    }
    const missing = 'the record cannot be read, but is no dead letter'
    return [{ offset, atMs, kind: 'unreadable', id: command.commandId, key: null, missing }]
  }
  const createdBefore = 'reservation_id' in command && reserved.has(command.reservation_id)
  if (command.type === 'reserve') reserved.add(command.id)
  return ledTo(command).map((each) => ({
    kind: command.type,
    key: null,
    ...each,
    offset,
    atMs,
    createdBefore,
  }))
}

type Effect = Pick<Expected, 'id' | 'missing'> & Partial<Expected>

function ledTo(command: ReservationCommand): readonly Effect[] {
  switch (command.type) {
    case 'reserve': {
      const missing = `reservation ${command.id} was accepted, but has no outcome: no reservation, no dead letter`
      return [{ id: command.id, key: command.slot_id, missing }]
    }
    case 'confirm':
    case 'cancel': {
      const { reservation_id: id, caller: person, booking_id: bookingId } = command
      const missing =
        command.type === 'cancel'
          ? `reservation ${id} was cancelled, but is held, confirmed or waitlisted`
          : `reservation ${id} was confirmed, but is held`
      return [{ id, person, bookingId, missing }]
    }
    case 'create_slot': {
      const missing = `slot ${command.id} was accepted, but has no outcome: no slot, no dead letter`
      return [{ id: command.id, key: command.id, missing }]
    }
    case 'update_slot': {
      const missing = `change ${command.id} of a slot was accepted, but has no outcome: neither remembered nor a dead letter`
      return [{ id: command.id, missing }]
    }
    case 'wake_slot':
      return []
    case 'erase_person': {
      const { reservation_ids, user_id: person, pseudonym } = command
      if (person === pseudonym) return []
      return reservation_ids.map((id) => ({
        id,
        person,
        missing: `reservation ${id} was erased, but names the person`,
      }))
    }
    case 'retire_slot': {
      const { slot_id: id, keep_days: keepDays } = command
      return [{ id, keepMs: keepDays * DAY_MS, missing: `slot ${id} was retired, but is stored` }]
    }
  }
}
