/** What the clients ask for: a mix that follows from the seed, aimed at what exists by then. */

import { createRandom, type Random } from '../sim/random.ts'
import type { Intent } from './history.ts'

export type Request =
  | {
      readonly type: 'command'
      readonly intent: Intent
      readonly key: string | null
      /** Asks with `Prefer: wait`. */
      readonly waits: boolean
    }
  /** Sends an earlier keyed request once more, as a client does that lost its answer. */
  | { readonly type: 'repeat'; readonly share: number }
  | { readonly type: 'read_slot'; readonly slotId: string }
  | { readonly type: 'read_reservation'; readonly id: string }

/** What exists, as far as the clients know. */
export interface World {
  /** The hot ones first. */
  readonly slotIds: readonly string[]
  /** Of acknowledged requests; bounded, the oldest leave first. */
  readonly reservationIds: readonly string[]
}

export const hotSlots = 2
/** Small enough that the hot ones sell out, and cancellations and larger sizes open them again. */
const CAPACITY = { hot: 2000, cold: 60 } as const
const HOT_SHARE = 0.5
const KEYED_SHARE = 0.85
const WAIT_SHARE = 0.15
const QUANTITY_MAX = 3

/** Cumulative: which share of requests is what. The rest reserves. */
const mix = [
  ['read_slot', 0.12],
  ['read_reservation', 0.18],
  ['cancel', 0.3],
  ['resize', 0.33],
  ['create_slot', 0.335],
  ['repeat', 0.36],
] as const

export interface Workload {
  /** A slot to begin with. */
  firstSlot(): Request
  /** Falls back to reserving, and without any slot to making one, where nothing is there for what was drawn. */
  next(world: World): Request
}

export function createWorkload(seed: number): Workload {
  const random = createRandom(seed)
  let count = 0
  const createSlot = (): Request => {
    const name = `slot-${count++}`
    const capacity = count <= hotSlots ? CAPACITY.hot : CAPACITY.cold
    return {
      type: 'command',
      intent: { type: 'create_slot', name, capacity },
      key: `key-${name}`,
      waits: true,
    }
  }
  return {
    firstSlot: createSlot,
    next: (world) => {
      const drawn = random.fraction()
      const kind = mix.find(([, upTo]) => drawn < upTo)?.[0] ?? 'reserve'
      const slotId = pickSlot(world, random)
      if (slotId === null || kind === 'create_slot') return createSlot()
      if (kind === 'repeat') return { type: 'repeat', share: random.fraction() }
      if (kind === 'read_slot') return { type: 'read_slot', slotId }
      if (kind === 'resize') return command(resize(slotId, `resize-${count++}`, world, random), random)
      const id = kind === 'reserve' ? undefined : random.pickAny(world.reservationIds)
      if (id !== undefined) {
        return kind === 'cancel'
          ? { ...command({ type: 'cancel', reservationId: id }, random), key: null }
          : { type: 'read_reservation', id }
      }
      const quantity = random.integer(1, QUANTITY_MAX)
      return command({ type: 'reserve', slotId, userId: `user-${count++}`, quantity }, random)
    },
  }
}

function command(intent: Intent & { type: Exclude<Intent['type'], 'create_slot'> }, random: Random) {
  const marker = 'userId' in intent ? intent.userId : 'name' in intent ? intent.name : ''
  const key = random.chance(KEYED_SHARE) ? `key-${marker}` : null
  return { type: 'command', intent, key, waits: random.chance(WAIT_SHARE) } as const
}

function pickSlot({ slotIds }: World, random: Random): string | null {
  return random.pickAny(random.chance(HOT_SHARE) ? slotIds.slice(0, hotSlots) : slotIds) ?? null
}

/** Between half and one and a half of what it began with; one in three is the most it ever gets. */
function resize(
  slotId: string,
  name: string,
  { slotIds }: World,
  random: Random,
): Intent & { type: 'resize' } {
  const first = slotIds.indexOf(slotId) < hotSlots ? CAPACITY.hot : CAPACITY.cold
  const most = first * 1.5
  const capacity = random.integer(0, 2) === 0 ? most : random.integer(first / 2, most)
  return { type: 'resize', slotId, name, capacity, alwaysFits: capacity === most }
}
