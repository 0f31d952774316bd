/**
 * One slot and all reservations that named it, as the model has them: plain maps, and one way to change a status. The
 * slot itself may be missing: then there are only rejections.
 */
export type ModelStatus = 'held' | 'confirmed' | 'waitlisted' | 'rejected' | 'cancelled' | 'expired'

export interface ModelSlot {
  capacity: number
  overbookingBps: number
  status: 'open' | 'closed'
  readonly holdTtlMs: number | null
  readonly maxPerUser: number | null
  readonly hasWaitlist: boolean
  readonly salesOpenMs: number | null
  readonly salesCloseMs: number | null
  readonly endMs: number
  readonly hash: string
  version: number
}

export interface ModelReservation {
  readonly id: string
  user: string
  readonly quantity: number
  hash: string | null
  status: ModelStatus
  reason: string | null
  readonly holdTtlMs: number | null
  readonly bookingId: string | null
  expiresMs: number | null
  place: number | null
  slotVersion: number
  /** `status@time`, oldest first. */
  transitions: string[]
}

/** So far the line is looked at when units become free. */
const LINE_LOOKED_AT = 100

export class SlotBook {
  readonly id: string
  slot: ModelSlot | null = null
  readonly reservations = new Map<string, ModelReservation>()
  heldUnits = 0
  confirmedUnits = 0
  #steps = { atMs: 0, count: 0 }
  readonly #holds = new Set<ModelReservation>()
  #line: ModelReservation[] = []

  constructor(id: string) {
    this.id = id
  }

  get freeUnits(): number {
    return this.slot === null ? 0 : limitOf(this.slot) - this.heldUnits - this.confirmedUnits
  }

  get waiting(): number {
    return this.#line.length
  }

  isSelling(atMs: number): boolean {
    if (this.slot === null || this.slot.status === 'closed') return false
    const { salesOpenMs, salesCloseMs } = this.slot
    return !(salesOpenMs !== null && atMs < salesOpenMs) && !(salesCloseMs !== null && atMs >= salesCloseMs)
  }

  /** Holds whose time is over, the first to go first. */
  due(atMs: number): readonly ModelReservation[] {
    return [...this.#holds].filter((hold) => endOf(hold) <= atMs).sort(byEnd)
  }

  hasDue(atMs: number): boolean {
    for (const hold of this.#holds) if (endOf(hold) <= atMs) return true
    return false
  }

  /** Who must be given the free units at once, if anybody. */
  nextInLine(atMs: number): ModelReservation | undefined {
    if (!this.isSelling(atMs)) return undefined
    const free = this.freeUnits
    return this.#line.slice(0, LINE_LOOKED_AT).find(({ quantity }) => quantity <= free)
  }

  /** Something happened here: of its own accord, or as the very thing that a command asked for. */
  stepTaken(atMs: number, isAsked: boolean): void {
    const count = isAsked ? 0 : this.stepsAt(atMs) + 1
    this.#steps = { atMs, count }
  }

  /** What has happened by itself at this time, since something was asked for. */
  stepsAt(atMs: number): number {
    return this.#steps.atMs === atMs ? this.#steps.count : 0
  }

  /** Units that the user holds, has confirmed and waits for. */
  unitsOf(user: string): number {
    let units = 0
    for (const each of this.reservations.values()) {
      if (each.user === user && isLive(each)) units += each.quantity
    }
    return units
  }

  /** Makes it that; the slot's version is as it is after the event. */
  become(
    reservation: ModelReservation,
    status: ModelStatus,
    atMs: number,
    expiresMs: number | null = null,
  ): void {
    const { version } = this.slot ?? { version: 0 }
    this.#leave(reservation)
    this.reservations.set(reservation.id, reservation)
    reservation.status = status
    reservation.expiresMs = expiresMs
    reservation.place = status === 'waitlisted' ? version : null
    reservation.slotVersion = version
    reservation.transitions.push(`${status}@${atMs}`)
    if (status === 'held') {
      this.#holds.add(reservation)
      this.heldUnits += reservation.quantity
    } else if (status === 'confirmed') this.confirmedUnits += reservation.quantity
    else if (status === 'waitlisted') this.#line.push(reservation)
  }

  /** Everything is gone. */
  clear(): void {
    this.slot = null
    this.reservations.clear()
    this.#holds.clear()
    this.#line = []
    this.heldUnits = 0
    this.confirmedUnits = 0
  }

  /** For trying out what would happen. */
  copy(): SlotBook {
    const book = new SlotBook(this.id)
    book.slot = this.slot === null ? null : { ...this.slot }
    book.heldUnits = this.heldUnits
    book.confirmedUnits = this.confirmedUnits
    for (const original of this.reservations.values()) {
      const copy = { ...original, transitions: [...original.transitions] }
      book.reservations.set(copy.id, copy)
      if (copy.status === 'held') book.#holds.add(copy)
    }
    book.#line = this.#line.flatMap(({ id }) => book.reservations.get(id) ?? [])
    return book
  }

  #leave(reservation: ModelReservation): void {
    if (!this.reservations.has(reservation.id)) return
    if (this.#holds.delete(reservation)) this.heldUnits -= reservation.quantity
    else if (reservation.status === 'confirmed') this.confirmedUnits -= reservation.quantity
    else if (reservation.status === 'waitlisted') this.#line.splice(this.#line.indexOf(reservation), 1)
  }
}

/** The most units that may be taken: the formula of the schema, written once more. */
export function limitOf({
  capacity,
  overbookingBps,
}: Pick<ModelSlot, 'capacity' | 'overbookingBps'>): number {
  return capacity + Math.floor((capacity * overbookingBps) / 10_000)
}

function isLive({ status }: ModelReservation): boolean {
  return status === 'held' || status === 'confirmed' || status === 'waitlisted'
}

function endOf({ expiresMs }: ModelReservation): number {
  return expiresMs ?? Number.POSITIVE_INFINITY
}

function byEnd(a: ModelReservation, b: ModelReservation): number {
  return endOf(a) - endOf(b) || (a.id < b.id ? -1 : 1)
}
