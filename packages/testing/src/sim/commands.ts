/** Commands as the edge writes them, each with what it means to the model. */
import { createHash } from 'node:crypto'
import { deriveId, partitionOfId, partitionOfKey, timeText, timeTextOrNull, topics } from '@ironsys/contracts'
import { type BookingWish, type WrittenBooking, writeBooking } from './booking-wishes.ts'
import { idKey, reservationIdOf } from './ids.ts'
import type { CommandOf, Late, Meaning, ModelCommand } from './model/meaning.ts'
import { REFUSED_TTL_MS } from './system.ts'

/** What a client wants, and goes on wanting: each time it asks, the same command comes out. */
export interface Intent {
  /** The caller's Idempotency-Key. */
  readonly key: string
  readonly user: string
  readonly wish: Wish | BookingWish
}

interface SlotIntent extends Intent {
  readonly wish: Wish
}

export type Wish =
  | {
      readonly type: 'create_slot'
      readonly slotId: string
      readonly capacity: number
      readonly overbookingBps: number
      readonly holdTtlMs: number | null
      readonly maxPerUser: number | null
      readonly hasWaitlist: boolean
      readonly salesOpenMs: number | null
      readonly salesCloseMs: number | null
      readonly endMs: number
    }
  | {
      readonly type: 'update_slot'
      readonly slotId: string
      readonly capacity: number | null
      readonly overbookingBps: number | null
      readonly status: 'open' | 'closed' | null
    }
  | {
      readonly type: 'reserve'
      readonly slotId: string
      readonly quantity: number
      readonly mode: 'hold' | 'confirm' | null
      readonly holdTtlMs: number | null
      readonly joinsWaitlist: boolean
      /** The database refuses what it leads to. */
      readonly refused: boolean
      /** Written by a producer of a later release. */
      readonly newer: boolean
    }
  | {
      readonly type: 'confirm'
      readonly reservationId: string
      readonly late: Late | null
      readonly caller: string | null
    }
  | { readonly type: 'cancel'; readonly reservationId: string; readonly caller: string | null }
  | { readonly type: 'wake_slot'; readonly slotId: string }
  | {
      readonly type: 'erase_person'
      readonly slotId: string
      readonly reservationIds: readonly string[]
      readonly pseudonym: string
    }
  | { readonly type: 'retire_slot'; readonly slotId: string; readonly keepDays: number }

export interface WrittenCommand {
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly logKey: string
  readonly value: string
  readonly meaning: Meaning
  readonly booking: null
}

/** Of this release; the one before it knew no holds and is read still, the next one is not. */
const SCHEMA_VERSION = 2
const DAY_MS = 24 * 3600 * 1000

/** What one request of the client becomes. `replyTo` is that request's own; null when nobody waits. */
export function writeCommand(
  intent: Intent,
  replyTo: string | null,
  partitions: number,
): WrittenCommand | WrittenBooking {
  const { wish } = intent
  const reply = replyTo === null ? {} : { reply_to: replyTo }
  return isAboutBooking(wish)
    ? writeBooking({ ...intent, wish }, { v: SCHEMA_VERSION, ...reply }, partitions)
    : writeSlotCommand({ ...intent, wish }, reply, partitions)
}

function isAboutBooking(wish: Intent['wish']): wish is BookingWish {
  return wish.type === 'book' || wish.type === 'confirm_booking' || wish.type === 'cancel_booking'
}

/** A command about a slot or a reservation. */
export function writeSlotCommand(intent: SlotIntent, reply: object, partitions: number): WrittenCommand {
  const { wish } = intent
  const command = commandOf(intent)
  const { id } = command
  const envelope = {
    v: wish.type === 'reserve' && wish.newer ? SCHEMA_VERSION + 1 : SCHEMA_VERSION,
    id,
    ...reply,
    type: wish.type,
  }
  const value = JSON.stringify({ ...envelope, ...fieldsOf(intent, command) })
  const logKey = 'reservationId' in wish ? wish.reservationId : wish.slotId
  const partition =
    'reservationId' in wish
      ? partitionOfId(wish.reservationId, partitions)
      : partitionOfKey(wish.slotId, partitions)
  const meaning: Meaning = { kind: 'command', command }
  return { id, topic: topics.reservationCommands, partition, logKey, value, meaning, booking: null }
}

function commandOf(intent: SlotIntent): ModelCommand {
  const { wish, key, user } = intent
  const hash = createHash('sha256').update(JSON.stringify(wish)).digest('hex').slice(0, 32)
  const own = (about: string) => deriveId(idKey, about, [user, wish.type, about, key])
  switch (wish.type) {
    case 'create_slot':
      return { ...wish, id: wish.slotId, hash }
    case 'update_slot':
      return { ...wish, id: own(wish.slotId), hash }
    case 'reserve':
      return { ...wish, id: reservationIdOf(intent, wish.slotId), user, bookingId: null, hash }
    case 'confirm':
    case 'cancel':
      return { ...wish, id: own(wish.reservationId), bookingId: null }
    case 'wake_slot':
      return { ...wish, id: own(wish.slotId) }
    case 'erase_person':
      return { ...wish, id: own(wish.slotId), user }
    case 'retire_slot':
      return { ...wish, id: own(wish.slotId), keepMs: wish.keepDays * DAY_MS }
  }
}

function fieldsOf({ user, key, wish }: SlotIntent, command: ModelCommand): object {
  const body_hash = 'hash' in command ? (command.hash ?? undefined) : undefined
  switch (wish.type) {
    case 'create_slot':
      return { ...slotFields(wish), body_hash }
    case 'update_slot':
      return {
        slot_id: wish.slotId,
        ...given('capacity', wish.capacity),
        ...given('overbooking_bps', wish.overbookingBps),
        ...given('status', wish.status),
        body_hash,
      }
    case 'reserve':
      return {
        slot_id: wish.slotId,
        user_id: user,
        quantity: wish.quantity,
        ...given('mode', wish.mode),
        ...given('hold_ttl_seconds', seconds(wish.refused ? REFUSED_TTL_MS : wish.holdTtlMs)),
        ...(wish.joinsWaitlist ? { join_waitlist: true } : {}),
        metadata: { wish: `${user}, ${key}` },
        body_hash,
      }
    case 'confirm':
      return {
        reservation_id: wish.reservationId,
        ...given('late', wish.late),
        ...given('caller', wish.caller),
      }
    case 'cancel':
      return { reservation_id: wish.reservationId, ...given('caller', wish.caller) }
    case 'wake_slot':
      return { slot_id: wish.slotId }
    case 'erase_person':
      return {
        slot_id: wish.slotId,
        reservation_ids: wish.reservationIds,
        user_id: user,
        pseudonym: wish.pseudonym,
      }
    case 'retire_slot':
      return { slot_id: wish.slotId, keep_days: wish.keepDays }
  }
}

function slotFields(wish: Omit<CommandOf<'create_slot'>, 'id' | 'hash'>): object {
  return {
    name: 'A slot',
    start_time: timeText(wish.endMs - DAY_MS),
    end_time: timeText(wish.endMs),
    capacity: wish.capacity,
    overbooking_bps: wish.overbookingBps,
    hold_ttl_seconds: seconds(wish.holdTtlMs),
    max_per_user: wish.maxPerUser,
    waitlist: wish.hasWaitlist,
    sales_open_at: timeTextOrNull(wish.salesOpenMs),
    sales_close_at: timeTextOrNull(wish.salesCloseMs),
  }
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000
}

/** A field that is left out where nothing is said. */
function given(name: string, value: string | number | null): object {
  return value === null ? {} : { [name]: value }
}
