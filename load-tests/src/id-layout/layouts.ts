/** The id layouts and the order of sales that id-layout.ts compares. */
import { createHash, createSecretKey, randomUUID } from 'node:crypto'
import { deriveId, mintId, routingHash } from '@ironsys/contracts'

export interface Slot {
  readonly id: string
  readonly hash: number
}

export const workloads = ['hot', 'even'] as const
/** hot: a Zipf base, then one slot that has just gone on sale takes every row; even: all slots alike. */
export type Workload = (typeof workloads)[number]

export interface Layout {
  readonly letter: string
  readonly name: string
  /** Which index finds the reservations of a slot. */
  readonly slotIndex: 'none' | 'primary key' | '(slot_id, id)' | '(slot_id)'
  /** The indexes of layouts that start with time or chance look the same whatever is sold: one workload is enough. */
  readonly workloads: readonly Workload[]
  /** Makes the id of the `n`th row, sold at `nowMs`. */
  readonly id: (slot: Slot, nowMs: number, n: number) => string
  /** A quicker way to ids that are spread alike, for the rows that are not measured. */
  readonly quickId?: (slot: Slot) => string
}

const idKey = createSecretKey(Buffer.alloc(32, 7))

export const layouts: readonly Layout[] = [
  {
    letter: 'a',
    name: 'a hash, time (unkeyed)',
    slotIndex: 'primary key',
    workloads,
    id: (slot, nowMs) => mintId(slot.id, nowMs),
  },
  {
    letter: 'b',
    name: 'b hash, HMAC (keyed)',
    slotIndex: 'primary key',
    workloads,
    id: (slot, _, n) => deriveId(idKey, slot.id, ['user', 'POST /reservations', slot.id, `key-${n}`, '0']),
    quickId: hashThenRandom,
  },
  { letter: 'c', name: 'c time, hash (unkeyed)', slotIndex: 'none', workloads: ['hot'], id: timeThenHash },
  { letter: 'd', name: 'd random (keyed)', slotIndex: 'none', workloads: ['hot'], id: () => randomUUID() },
  { letter: 'e', name: 'c + index (slot_id, id)', slotIndex: '(slot_id, id)', workloads, id: timeThenHash },
  {
    letter: 'f',
    name: 'd + index (slot_id, id)',
    slotIndex: '(slot_id, id)',
    workloads,
    id: () => randomUUID(),
  },
  { letter: 'g', name: 'c + index (slot_id)', slotIndex: '(slot_id)', workloads, id: timeThenHash },
]

const SLOTS = 10_000
/** Rows sold in one millisecond of the ids' time: 10,000/s. */
const ROWS_PER_MS = 10
const FIRST_MS = Date.UTC(2026, 0, 1)

export const slots: readonly Slot[] = Array.from({ length: SLOTS }, (_, index) => slotNamed(`slot ${index}`))
const hotSlot = slotNamed('the hot slot')

export function timeOfRow(n: number): number {
  return FIRST_MS + Math.floor(n / ROWS_PER_MS)
}

/** Which slot the next row is sold for; the same series every time. */
export function slotPicker(workload: Workload): (isLast: boolean) => Slot {
  const random = seededRandom(42)
  return (isLast) => {
    if (workload === 'hot' && isLast) return hotSlot
    // Zipf with exponent 1: rank r is drawn about 1/r as often as the first.
    const rank = workload === 'hot' ? SLOTS ** random() - 1 : SLOTS * random()
    return slots[Math.floor(rank)] ?? hotSlot
  }
}

function slotNamed(name: string): Slot {
  const hex = createHash('sha256').update(name).digest('hex')
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
  return { id, hash: routingHash(id) }
}

function hashThenRandom(slot: Slot): string {
  const random = randomUUID()
  return `${hex(slot.hash * 2 + 1, 8)}${random.slice(8, 14)}8${random.slice(15)}`
}

/** 48 bits of milliseconds, 31 of hash around version and variant, then random. */
function timeThenHash(slot: Slot, nowMs: number): string {
  const random = randomUUID()
  const time = hex(nowMs, 12)
  const hash = `8${hex(slot.hash >>> 19, 3)}-${hex(0x8000 | ((slot.hash >>> 5) & 0x3fff), 4)}`
  const rest = hex(((slot.hash & 0x1f) << 3) | (Number.parseInt(random.slice(24, 25), 16) >>> 1), 2)
  return `${time.slice(0, 8)}-${time.slice(8)}-${hash}-${rest}${random.slice(26)}`
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}

/** Mulberry32: 0 ≤ r < 1, the same series for the same seed. */
function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
