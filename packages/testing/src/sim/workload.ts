/** What is asked for in one simulation: a few slots, many buyers, operators, and records that should not be there. */
import type { ApiProcess } from './api.ts'
import type { BookingWish } from './booking-wishes.ts'
import type { Clients } from './clients.ts'
import type { Intent, Wish } from './commands.ts'
import { bookedReservationIdOf, bookingIdOf, reservationIdOf, slotIdOf } from './ids.ts'
import type { Late } from './model/meaning.ts'
import type { Random } from './random.ts'
import type { System } from './system.ts'
import { START_MS } from './timeline.ts'
import { appendStray, startPunctualClients } from './uninvited.ts'

export interface WorkloadSettings {
  readonly seed: number
  readonly slots: number
  readonly intents: number
  readonly lengthMs: number
  readonly reads: number
  /** Records that no edge would write. */
  readonly strays: number
  /** Whether a producer of a later release takes part. */
  readonly newer: boolean
}

/** What a seed's slots and buyers are like: like its faults, a few things of its own, often. */
interface Flavour {
  /** Slots that hold, that have a line, that have a limit per user, that are long over: as probabilities. */
  readonly holds: number
  readonly lines: number
  readonly limits: number
  readonly over: number
  /** Of what is asked for: several slots or none. */
  readonly bookings: number
  readonly users: number
  /** The longest hold, seconds. */
  readonly ttlMax: number
  readonly quantityMax: number
  /** Instants at which all come, so that what they hold ends together; 0: they come when they like. */
  readonly rushes: number
  /** How many of them want the same slot, beyond chance. */
  readonly hot: number
}

interface Asked {
  readonly intent: Intent
  /** After the start, milliseconds. */
  readonly atMs: number
}

/** When the slots are there, mostly. */
const FIRST_MS = 200
/** How long the door is open in a rush. */
const RUSH_MS = 10
const DAY_MS = 24 * 3600 * 1000
const KEEP_DAYS = 8
const LATE_IN_THE_CENTURY_MS = Date.UTC(2090, 0, 1)

/** Answers the ids of the slots. */
export function startWorkload(
  system: System,
  clients: Clients,
  apis: () => readonly ApiProcess[],
  settings: WorkloadSettings,
): readonly string[] {
  const { random, world } = system.timeline
  const flavour = drawFlavour(random)
  const slotIds = Array.from({ length: settings.slots }, (_, index) => slotIdOf(settings.seed, index))
  const atRandom = () => random.integer(0, settings.lengthMs)
  for (const slotId of slotIds)
    clients.ask(creating(slotId, random, settings.lengthMs, flavour), random.integer(0, 300))
  const asked: Asked[] = []
  for (let number = 0; number < settings.intents; number++) {
    const next = somebodyAsks(number, slotIds, asked, random, settings, flavour)
    if (next.intent.wish.type === 'reserve' || next.intent.wish.type === 'book') asked.push(next)
    clients.ask(next.intent, next.atMs)
  }
  for (let number = 0; number < settings.strays; number++) {
    system.timeline.schedule(world, atRandom(), () => appendStray(system, slotIds, number))
  }
  startPunctualClients(system, random.pick([0, 0.1, 0.4]))
  for (let number = 0; number < settings.reads; number++) {
    system.timeline.schedule(world, atRandom(), () => {
      const api = random.pickAny(apis())
      const slotId = random.pickAny(slotIds)
      if (api === undefined || slotId === undefined) return
      system.timeline.schedule(api.actor, 1, () => void api.read(slotId))
    })
  }
  return slotIds
}

export const plainReservation = {
  type: 'reserve',
  quantity: 1,
  mode: null,
  holdTtlMs: null,
  joinsWaitlist: false,
  refused: false,
  newer: false,
} as const

/** One more reservation for each slot, and a booking of all. */
export function askOnceMore(clients: Clients, slotIds: readonly string[]): void {
  slotIds.forEach((slotId, index) => {
    const wish: Wish = { ...plainReservation, slotId }
    clients.ask({ key: 'after healing', user: `last user ${index}`, wish }, 0)
  })
  const items = slotIds.map((slotId) => ({ slotId, quantity: 1 }))
  const wish = { type: 'book', items, mode: 'confirm', holdTtlMs: null } as const
  clients.ask({ key: 'after healing', user: 'last booker', wish }, 0)
}

function drawFlavour(random: Random): Flavour {
  const share = () => random.pick([0, 0.5, 1])
  const over = random.pick([0, 0, 0.5])
  return {
    holds: share(),
    lines: random.pick([0, 0, 0.5, 1]),
    limits: random.pick([0, 0.5, 1]),
    over,
    // What is left of a booking whose slot is gone says nothing.
    bookings: over > 0 ? 0 : random.pick([0, 0.15, 0.4]),
    users: random.pick([3, 12, 60]),
    ttlMax: random.pick([2, 6, 20]),
    quantityMax: random.pick([1, 3, 3, 8]),
    rushes: random.pick([0, 0, 1, 3]),
    hot: random.pick([0, 0, 0.5, 0.9]),
  }
}

function creating(slotId: string, random: Random, lengthMs: number, flavour: Flavour): Intent {
  // Some sell out at once, some never.
  const capacity = random.integer(1, random.pick([5, 20, 100, 400]))
  const soon = () => (random.chance(0.12) ? START_MS + random.integer(0, lengthMs) : null)
  const isOver = random.chance(flavour.over)
  const wish: Wish = {
    type: 'create_slot',
    slotId,
    capacity,
    overbookingBps: random.pick([0, 0, 0, 500, 2500, 10_000]),
    holdTtlMs: random.chance(flavour.holds) ? ttl(random, flavour) : null,
    maxPerUser: random.chance(flavour.limits) ? random.integer(1, 8) : null,
    hasWaitlist: random.chance(flavour.lines),
    salesOpenMs: soon(),
    salesCloseMs: soon(),
    endMs: isOver ? START_MS - KEEP_DAYS * DAY_MS + random.integer(0, lengthMs) : LATE_IN_THE_CENTURY_MS,
  }
  return { key: 'create', user: 'operator', wish }
}

function somebodyAsks(
  number: number,
  slotIds: readonly string[],
  asked: readonly Asked[],
  random: Random,
  settings: WorkloadSettings,
  flavour: Flavour,
): Asked {
  const slotId = random.pickAny(random.chance(flavour.hot) ? slotIds.slice(0, 1) : slotIds) ?? ''
  const own = { key: `key ${number}`, user: `user ${random.integer(1, flavour.users)}` }
  const atMs = comes(random, settings, flavour)
  const kind = random.fraction()
  const earlier = random.pickAny(asked)
  if (earlier?.intent.wish.type === 'book' && kind < 0.4) {
    const wish = aboutBooking(earlier.intent, earlier.intent.wish, random)
    return { intent: { ...own, wish }, atMs: earlier.atMs + afterwards(random, flavour) }
  }
  if (earlier?.intent.wish.type === 'reserve') {
    const { intent } = earlier
    if (kind < 0.4) {
      const wish = aboutReservation(intent, earlier.intent.wish, random)
      return { intent: { ...own, wish }, atMs: earlier.atMs + afterwards(random, flavour) }
    }
    // The same key for another request: the first to be decided wins.
    if (kind < 0.43) {
      return { intent: { ...intent, wish: { ...earlier.intent.wish, quantity: 9 } }, atMs: earlier.atMs }
    }
    if (kind < 0.45) return { intent: erasing(number, intent, asked), atMs }
  }
  if (kind > 0.94) return { intent: { ...own, wish: operating(slotId, random) }, atMs }
  if (kind > 0.93)
    return { intent: { ...creating(slotId, random, settings.lengthMs, flavour), ...own }, atMs }
  if (random.chance(flavour.bookings)) {
    return { intent: { ...own, wish: booking(slotIds, random, flavour) }, atMs }
  }
  return { intent: { ...own, wish: reserving(slotId, random, settings, flavour) }, atMs }
}

/** After the start, milliseconds. */
function comes(random: Random, { lengthMs }: WorkloadSettings, { rushes }: Flavour): number {
  if (rushes === 0 || random.chance(0.2)) return FIRST_MS + random.integer(0, lengthMs)
  return FIRST_MS + random.integer(0, rushes - 1) * Math.floor(lengthMs / rushes) + random.integer(0, RUSH_MS)
}

function reserving(slotId: string, random: Random, { newer }: WorkloadSettings, flavour: Flavour): Wish {
  return {
    type: 'reserve',
    slotId,
    // At times more than there ever is.
    quantity: random.chance(0.02) ? 1_000_000 : random.integer(1, flavour.quantityMax),
    mode: random.chance(0.6) ? null : random.pick<'hold' | 'confirm'>(['hold', 'confirm']),
    holdTtlMs: random.chance(0.3) ? ttl(random, flavour) : null,
    joinsWaitlist: random.chance(0.7),
    // Of a slot that is taken away in the same batch nothing would be left to refuse.
    refused: flavour.over === 0 && random.chance(0.03),
    newer: newer && random.chance(0.05),
  }
}

/** Too early, in time, twice, too late, by somebody else. */
function aboutReservation(
  earlier: Intent,
  { slotId }: Extract<Wish, { type: 'reserve' }>,
  random: Random,
): Wish {
  const reservationId = reservationIdOf(earlier, slotId)
  const caller = random.pick([earlier.user, null, null, 'somebody else'])
  if (random.chance(0.35)) return { type: 'cancel', reservationId, caller }
  const late = random.pick<Late | null>([null, 'reject', 'rehold', 'rehold', 'waitlist'])
  return { type: 'confirm', reservationId, late, caller }
}

/** Some time within a hold's life, or shortly after it. */
function afterwards(random: Random, { ttlMax }: Flavour): number {
  return random.integer(0, random.pick([300, 2000, ttlMax * 1300, ttlMax * 2500]))
}

function booking(slotIds: readonly string[], random: Random, flavour: Flavour): BookingWish {
  const some = slotIds.filter(() => random.chance(0.7))
  const slots = some.length > 0 ? some : slotIds.slice(0, 1)
  return {
    type: 'book',
    items: slots.map((slotId) => ({ slotId, quantity: random.integer(1, flavour.quantityMax) })),
    mode: random.pick<'confirm' | 'hold'>(['confirm', 'hold']),
    holdTtlMs: random.chance(0.8) ? ttl(random, flavour) : null,
  }
}

/** Also as if its reservations were anybody's. */
function aboutBooking(
  earlier: Intent,
  { items }: Extract<BookingWish, { type: 'book' }>,
  random: Random,
): Wish | BookingWish {
  const caller = random.pick([earlier.user, null, null, 'somebody else'])
  const slotId = items[0]?.slotId
  if (slotId !== undefined && random.chance(0.15)) {
    const reservationId = bookedReservationIdOf(earlier, slotId)
    if (random.chance(0.5)) return { type: 'cancel', reservationId, caller }
    return { type: 'confirm', reservationId, late: null, caller }
  }
  const type = random.pick<'confirm_booking' | 'cancel_booking'>(['confirm_booking', 'cancel_booking'])
  return { type, bookingId: bookingIdOf(earlier), caller }
}

function operating(slotId: string, random: Random): Wish {
  if (random.chance(0.15)) return { type: 'retire_slot', slotId, keepDays: KEEP_DAYS }
  const capacity = random.chance(0.6) ? random.integer(0, random.pick([8, 50, 400])) : null
  return {
    type: 'update_slot',
    slotId,
    capacity,
    overbookingBps: random.chance(0.1) ? random.pick([0, 1000]) : null,
    // Closed for a while, with people in line.
    status: random.chance(0.5) ? random.pick<'open' | 'closed'>(['open', 'open', 'closed']) : null,
  }
}

/** All that one person has asked for at a slot, and something of somebody else. */
function erasing(number: number, { user, wish }: Intent, asked: readonly Asked[]): Intent {
  const slotId = 'slotId' in wish ? wish.slotId : ''
  const there = asked.filter(({ intent }) => intent.wish.type === 'reserve' && intent.wish.slotId === slotId)
  const theirs = there.filter(({ intent }) => intent.user === user)
  const reservationIds = [...theirs.slice(0, 20), ...there.slice(0, 1)].map(({ intent }) =>
    reservationIdOf(intent, slotId),
  )
  return {
    key: `erase ${number}`,
    user,
    wish: { type: 'erase_person', slotId, reservationIds, pseudonym: `erased ${number}` },
  }
}

function ttl(random: Random, { ttlMax }: Flavour): number {
  return random.integer(1, ttlMax) * 1000
}
