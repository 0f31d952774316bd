/** What the clients ask for: a mix that follows from the seed, aimed at what exists by then. */

import { createRandom, type Random } from '../sim/random.ts'
import type { BookedUnits, Intent, Late, SlotRules } from './history.ts'

export type Request =
  | Command
  /** Sends an earlier keyed request once more, as a client does that lost its answer. */
  | { readonly type: 'repeat'; readonly share: number }
  | { readonly type: 'read_slot'; readonly slotId: string }
  | { readonly type: 'read_document'; readonly of: 'reservation' | 'booking'; readonly id: string }

export interface Command {
  readonly type: 'command'
  readonly intent: Intent
  readonly key: string | null
  /** Asks with `Prefer: wait`. */
  readonly waits: boolean
}

/** What exists, as far as the clients know. */
export interface World {
  /** The hot ones first. */
  readonly slotIds: readonly string[]
  /** Of acknowledged requests; bounded, the oldest leave first. */
  readonly reservationIds: readonly string[]
  readonly bookingIds: readonly string[]
}

export const hotSlots = 2
/** Small enough that the hot ones sell out, and what is released and larger sizes open them again. */
const CAPACITY = { hot: 1000, cold: 60 } as const
/** Of slots with a waitlist: who is promoted from it does not hold for long either. */
const SLOT_TTL_SECONDS = 2
const MAX_PER_USER = 5
/** Few enough that some meet the limit. */
const USERS = 30
const HOT_SHARE = 0.5
const KEYED_SHARE = 0.85
const WAIT_SHARE = 0.15
const QUANTITY_MAX = 3
const HOLD_SHARE = 0.5
/** Some holds are confirmed in time, some late, some not at all. */
const HOLD_SECONDS = { least: 1, most: 5 } as const
const JOIN_SHARE = 0.3
const BOOKED = { least: 2, most: 5 } as const
/** What is asked of a reservation or booking is mostly asked of a young one. */
const YOUNG_SHARE = 0.6
const YOUNG = 100
/** A confirmation and a cancellation of one booking, one right behind the other. */
const RACE_SHARE = 0.4
const CLOSE_SHARE = 0.35
const lates = [null, 'reject', 'rehold', 'waitlist'] as const satisfies readonly (Late | null)[]

/** Cumulative: which share of requests is what. The rest reserves. */
const mix = [
  ['read_slot', 0.1],
  ['read_reservation', 0.14],
  ['read_booking', 0.16],
  ['confirm', 0.29],
  ['cancel', 0.36],
  ['resize', 0.39],
  ['close', 0.4],
  ['create_slot', 0.405],
  ['repeat', 0.43],
  ['book', 0.51],
  ['confirm_booking', 0.55],
  ['cancel_booking', 0.57],
] as const

export interface Workload {
  /** A slot to begin with. */
  firstSlot(): Request
  /** Falls back to reserving, and without any slot to making one, where nothing is there for what was drawn. */
  next(world: World): Request
  /** Nothing can be had of it any more: who waits stays in line, and what is held ends. */
  close(slotId: string): Request
}

export function createWorkload(seed: number): Workload {
  const random = createRandom(seed)
  let count = 0
  let rival: Request | null = null
  const createSlot = (): Request => {
    const name = `slot-${count++}`
    return {
      type: 'command',
      intent: { type: 'create_slot', name, rules: rulesOf(count - 1) },
      key: `key-${name}`,
      waits: true,
    }
  }
  /** Null where there is nothing that it could be about. */
  const draw = (kind: (typeof mix)[number][0], slotId: string, world: World): Request | null => {
    const reservationId = pickYoung(world.reservationIds, random)
    const bookingId = pickYoung(world.bookingIds, random)
    switch (kind) {
      case 'create_slot':
        return createSlot()
      case 'repeat':
        return { type: 'repeat', share: random.fraction() }
      case 'read_slot':
        return { type: 'read_slot', slotId }
      case 'resize':
        return command(resize(slotId, `resize-${count++}`, world, random), random)
      case 'close':
        return world.slotIds.indexOf(slotId) < hotSlots
          ? null
          : command(setStatus(slotId, `status-${count++}`, random.chance(CLOSE_SHARE)), random)
      case 'book':
        return command(book(`booker-${count++}`, slotId, world, random), random)
      case 'read_reservation':
        if (reservationId === null) return null
        return { type: 'read_document', of: 'reservation', id: reservationId }
      case 'read_booking':
        return bookingId === null ? null : { type: 'read_document', of: 'booking', id: bookingId }
      case 'confirm':
        if (reservationId === null) return null
        return command({ type: 'confirm', reservationId, late: random.pick(lates) }, random)
      case 'cancel':
        return reservationId === null ? null : command({ type: 'cancel', reservationId }, random)
      case 'confirm_booking':
      case 'cancel_booking': {
        if (bookingId === null) return null
        const other = kind === 'confirm_booking' ? 'cancel_booking' : 'confirm_booking'
        if (random.chance(RACE_SHARE)) rival = command({ type: other, bookingId }, random)
        return command({ type: kind, bookingId }, random)
      }
    }
  }
  return {
    firstSlot: createSlot,
    next: (world) => {
      if (rival !== null) {
        const request = rival
        rival = null
        return request
      }
      const drawn = random.fraction()
      const kind = mix.find(([, upTo]) => drawn < upTo)?.[0]
      const slotId = pickSlot(world, random)
      if (slotId === null) return createSlot()
      const request = kind === undefined ? null : draw(kind, slotId, world)
      return request ?? command(reserve(`request-${count++}`, slotId, random), random)
    },
    close: (slotId) => ({
      type: 'command',
      intent: setStatus(slotId, `end-${count++}`, true),
      key: `key-end-${count}`,
      waits: true,
    }),
  }
}

function rulesOf(index: number): SlotRules {
  const capacity = index < hotSlots ? CAPACITY.hot : CAPACITY.cold
  const plain = { capacity, holdTtlSeconds: null, maxPerUser: null, waitlist: false }
  const withLine = { ...plain, holdTtlSeconds: SLOT_TTL_SECONDS, waitlist: true }
  if (index < hotSlots) return index === 0 ? plain : withLine
  const rules = [plain, withLine, { ...withLine, maxPerUser: MAX_PER_USER }]
  return rules[index % rules.length] ?? plain
}

function command(intent: Intent, random: Random): Command {
  const marker = markerOf(intent)
  const key = marker !== null && random.chance(KEYED_SHARE) ? `key-${marker}` : null
  return { type: 'command', intent, key, waits: random.chance(WAIT_SHARE) }
}

/** The name that tells its effect from all others'; null for what is idempotent by state. */
export function markerOf(intent: Intent): string | null {
  switch (intent.type) {
    case 'create_slot':
    case 'update_slot':
    case 'reserve':
      return intent.name
    case 'book':
      return intent.userId
    case 'confirm':
    case 'cancel':
    case 'confirm_booking':
    case 'cancel_booking':
      return null
  }
}

function pickSlot({ slotIds }: World, random: Random): string | null {
  return random.pickAny(random.chance(HOT_SHARE) ? slotIds.slice(0, hotSlots) : slotIds) ?? null
}

function pickYoung(ids: readonly string[], random: Random): string | null {
  return random.pickAny(random.chance(YOUNG_SHARE) ? ids.slice(-YOUNG) : ids) ?? null
}

function reserve(name: string, slotId: string, random: Random): Intent {
  return {
    type: 'reserve',
    slotId,
    name,
    userId: `user-${random.integer(1, USERS)}`,
    quantity: random.integer(1, QUANTITY_MAX),
    holdTtlSeconds: drawTtlSeconds(random),
    joinWaitlist: random.chance(JOIN_SHARE),
  }
}

function drawTtlSeconds(random: Random): number | null {
  return random.chance(HOLD_SHARE) ? random.integer(HOLD_SECONDS.least, HOLD_SECONDS.most) : null
}

/** The same slot may come twice: that is one demand. */
function book(userId: string, slotId: string, world: World, random: Random): Intent {
  const items: BookedUnits[] = [{ slotId, quantity: random.integer(1, QUANTITY_MAX) }]
  const wanted = random.integer(BOOKED.least, BOOKED.most)
  while (items.length < wanted) {
    items.push({ slotId: pickSlot(world, random) ?? slotId, quantity: random.integer(1, QUANTITY_MAX) })
  }
  return { type: 'book', userId, items, holdTtlSeconds: drawTtlSeconds(random) }
}

/** Between half and one and a half of what it began with; one in three is the most it ever gets. */
function resize(slotId: string, name: string, { slotIds }: World, random: Random): Intent {
  const first = slotIds.indexOf(slotId) < hotSlots ? CAPACITY.hot : CAPACITY.cold
  const most = first * 1.5
  const capacity = random.integer(0, 2) === 0 ? most : random.integer(first / 2, most)
  return { type: 'update_slot', slotId, name, change: { capacity }, mayBeRefused: capacity !== most }
}

function setStatus(slotId: string, name: string, isClosed: boolean): Intent {
  const status = isClosed ? 'closed' : 'open'
  return { type: 'update_slot', slotId, name, change: { status }, mayBeRefused: false }
}
