/** The lives that reservations and bookings may have: which status comes after which, and what the ledger says of each. */

export interface LifeStep {
  readonly status: string
  /** Unix milliseconds. */
  readonly atMs: number
}

/** Of longer lives only the end is stored. */
const STORED_STEPS_MAX = 32

export function lifeText(life: readonly LifeStep[]): string {
  return life.map(({ status, atMs }) => `${status}@${atMs}`).join(' ')
}

export function had(life: readonly LifeStep[], ...statuses: readonly string[]): boolean {
  return life.some(({ status }) => statuses.includes(status))
}

/** Whether what was told once has become what is stored: nothing that was said is taken back. */
export function isPast(told: string, stored: readonly LifeStep[]): boolean {
  if (stored.length >= STORED_STEPS_MAX) return true
  return `${lifeText(stored)} `.startsWith(`${told} `)
}

type Steps = Readonly<Record<string, readonly string[]>>

/** '' is before the first. */
const reservationSteps: Steps = {
  '': ['held', 'confirmed', 'waitlisted', 'rejected'],
  held: ['confirmed', 'expired', 'cancelled'],
  confirmed: ['cancelled'],
  waitlisted: ['held', 'cancelled'],
  expired: ['confirmed', 'waitlisted'],
  rejected: [],
  cancelled: [],
}

const bookingSteps: Steps = {
  '': ['pending'],
  pending: ['held', 'confirmed', 'rejected', 'cancelled'],
  held: ['confirmed', 'expired', 'cancelled'],
  confirmed: ['cancelled'],
  rejected: [],
  expired: [],
  cancelled: [],
}

/** The first step that nothing allows, in words; null where there is none. */
export function illegalStep(of: 'reservation' | 'booking', life: readonly LifeStep[]): string | null {
  const steps = of === 'reservation' ? reservationSteps : bookingSteps
  // A stored life that begins in the middle is longer than what is kept of it.
  let before = life.length >= STORED_STEPS_MAX ? (life[0]?.status ?? '') : ''
  for (const { status } of life.length >= STORED_STEPS_MAX ? life.slice(1) : life) {
    if (!(steps[before] ?? []).includes(status)) return `${before || 'nothing'} became ${status}`
    before = status
  }
  return null
}

interface Moves {
  /** What it makes of the reservation; null: it stays what it is. */
  readonly status: string | null
  /** Times the quantity. */
  readonly held: -1 | 0 | 1
  readonly confirmed: -1 | 0 | 1
  /** How many more wait. */
  readonly waiting: -1 | 0 | 1
}

const unmoved = { held: 0, confirmed: 0, waiting: 0 } as const

/** Of an entry of the ledger about a reservation that was `before`; null where no such entry may stand there. */
export function movesOf(type: string, before: string): Moves | null {
  switch (type) {
    case 'reservation_confirmed':
      return { ...unmoved, status: 'confirmed', confirmed: 1 }
    case 'reservation_held':
      return { ...unmoved, status: 'held', held: 1 }
    case 'reservation_waitlisted':
      return { ...unmoved, status: 'waitlisted', waiting: 1 }
    case 'hold_confirmed':
      return { ...unmoved, status: 'confirmed', held: -1, confirmed: 1 }
    case 'hold_expired':
      return { ...unmoved, status: 'expired', held: -1 }
    case 'hold_overdue':
      return { ...unmoved, status: null }
    case 'waiter_promoted':
      return { ...unmoved, status: 'held', held: 1, waiting: -1 }
    case 'expired_reconfirmed':
      return { ...unmoved, status: 'confirmed', confirmed: 1 }
    case 'expired_requeued':
      return { ...unmoved, status: 'waitlisted', waiting: 1 }
    case 'reservation_cancelled':
      return cancelled(before)
    default:
      return null
  }
}

function cancelled(before: string): Moves | null {
  const status = 'cancelled'
  switch (before) {
    case 'held':
      return { ...unmoved, status, held: -1 }
    case 'confirmed':
      return { ...unmoved, status, confirmed: -1 }
    case 'waitlisted':
      return { ...unmoved, status, waiting: -1 }
    default:
      return null
  }
}
