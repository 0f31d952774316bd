/**
 * What should happen, decided a second time: a few plain maps, one record after the other, no batches, no caches.
 * It shares no code with the decider. The checker compares what the system commits with what this says.
 */

/** What a record of the log is, as whoever wrote it knows. */
export type Meaning =
  | { readonly kind: 'command'; readonly command: ModelCommand }
  /** Nobody can read it, or it lies in a partition that is not its own. */
  | { readonly kind: 'poison'; readonly code: 'malformed' | 'misrouted' }

export type ModelCommand =
  | {
      readonly type: 'create_slot'
      readonly id: string
      readonly capacity: number
      readonly overbookingBps: number
      readonly salesOpenMs: number | null
      readonly salesCloseMs: number | null
      readonly hash: string
    }
  | {
      readonly type: 'update_slot'
      readonly id: string
      readonly slotId: string
      readonly capacity: number | null
      readonly status: 'open' | 'closed' | null
      readonly hash: string
    }
  | {
      readonly type: 'reserve'
      readonly id: string
      readonly slotId: string
      readonly quantity: number
      readonly hash: string
      /** The database refuses what it leads to. */
      readonly refused: boolean
    }
  | { readonly type: 'cancel'; readonly id: string; readonly reservationId: string }

export interface ModelSlot {
  capacity: number
  overbookingBps: number
  taken: number
  status: 'open' | 'closed'
  salesOpenMs: number | null
  salesCloseMs: number | null
  hash: string
  version: number
}

export interface ModelReservation {
  slotId: string
  quantity: number
  status: 'confirmed' | 'rejected' | 'cancelled'
  reason: string | null
  hash: string
}

export class Model {
  readonly slots = new Map<string, ModelSlot>()
  readonly reservations = new Map<string, ModelReservation>()
  /** Events so far: each change of a slot, each rejection. */
  events = 0
  /** Outcome and hash of each update, by command id. */
  readonly #updates = new Map<string, { readonly code: string; readonly hash: string }>()

  /** Decides one record at its time; answers the outcome's code, or `dead-letter:<code>`. */
  apply(meaning: Meaning, atMs: number): string {
    if (meaning.kind === 'poison') return `dead-letter:${meaning.code}`
    const { command } = meaning
    switch (command.type) {
      case 'create_slot':
        return this.#create(command)
      case 'update_slot':
        return this.#update(command)
      case 'reserve':
        return this.#reserve(command, atMs)
      case 'cancel':
        return this.#cancel(command)
    }
  }

  #create(command: Extract<ModelCommand, { type: 'create_slot' }>): string {
    const existing = this.slots.get(command.id)
    if (existing !== undefined) return existing.hash === command.hash ? 'ok' : 'slot-exists'
    const { capacity, overbookingBps, salesOpenMs, salesCloseMs, hash } = command
    const fresh = { taken: 0, status: 'open', version: 1 } as const
    this.events++
    this.slots.set(command.id, { capacity, overbookingBps, salesOpenMs, salesCloseMs, hash, ...fresh })
    return 'ok'
  }

  #update(command: Extract<ModelCommand, { type: 'update_slot' }>): string {
    const earlier = this.#updates.get(command.id)
    if (earlier !== undefined) return earlier.hash === command.hash ? earlier.code : 'idempotency-key-reused'
    const code = this.#updateOnce(command)
    this.#updates.set(command.id, { code, hash: command.hash })
    return code
  }

  #updateOnce({ slotId, capacity, status }: Extract<ModelCommand, { type: 'update_slot' }>): string {
    const slot = this.slots.get(slotId)
    if (slot === undefined) return 'slot-not-found'
    const next = { ...slot, capacity: capacity ?? slot.capacity, status: status ?? slot.status }
    if (slot.taken > limitOf(next)) return 'capacity-in-use'
    this.events++
    this.slots.set(slotId, { ...next, version: slot.version + 1 })
    return 'ok'
  }

  #reserve(command: Extract<ModelCommand, { type: 'reserve' }>, atMs: number): string {
    const { id, slotId, quantity, hash } = command
    const earlier = this.reservations.get(id)
    if (earlier !== undefined) {
      return earlier.slotId === slotId && earlier.hash === hash
        ? (earlier.reason ?? 'ok')
        : 'idempotency-key-reused'
    }
    if (command.refused) return 'dead-letter:data-error'
    const slot = this.slots.get(slotId)
    const reason = refusal(slot, quantity, atMs)
    this.reservations.set(id, {
      slotId,
      quantity,
      hash,
      reason,
      status: reason === null ? 'confirmed' : 'rejected',
    })
    this.events++
    if (reason !== null || slot === undefined) return reason ?? 'slot-not-found'
    slot.taken += quantity
    slot.version++
    return 'ok'
  }

  #cancel({ reservationId }: Extract<ModelCommand, { type: 'cancel' }>): string {
    const reservation = this.reservations.get(reservationId)
    if (reservation === undefined) return 'reservation-not-found'
    if (reservation.status === 'rejected') return 'not-cancellable'
    const slot = this.slots.get(reservation.slotId)
    if (reservation.status === 'confirmed' && slot !== undefined) {
      this.events++
      reservation.status = 'cancelled'
      slot.taken -= reservation.quantity
      slot.version++
    }
    return 'ok'
  }
}

/** The most units that may be taken: the formula of the schema, written once more. */
export function limitOf({
  capacity,
  overbookingBps,
}: Pick<ModelSlot, 'capacity' | 'overbookingBps'>): number {
  return capacity + Math.floor((capacity * overbookingBps) / 10_000)
}

function refusal(slot: ModelSlot | undefined, quantity: number, atMs: number): string | null {
  if (slot === undefined) return 'slot-not-found'
  if (slot.status === 'closed') return 'slot-closed'
  if (slot.salesOpenMs !== null && atMs < slot.salesOpenMs) return 'sales-not-open'
  if (slot.salesCloseMs !== null && atMs >= slot.salesCloseMs) return 'slot-closed'
  return slot.taken + quantity > limitOf(slot) ? 'sold-out' : null
}
