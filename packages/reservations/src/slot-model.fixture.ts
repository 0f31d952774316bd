/**
 * One slot as somebody would write it who has all the time in the world: a list of claims, every figure counted from
 * it whenever it is asked for, and everything that is due done at once. It knows nothing of steps, lists and versions.
 */
import type {
  CommandOutcome,
  ConfirmCommand,
  CreateSlotCommand,
  ReservationCommand,
  ReserveCommand,
  UpdateSlotCommand,
} from '@ironsys/contracts'

type Code = CommandOutcome['code']

export interface Claim {
  readonly id: string
  user: string
  readonly quantity: number
  readonly ownTtlMs: number | null
  readonly booking: string | null
  status: 'held' | 'confirmed' | 'waitlisted' | 'rejected' | 'cancelled' | 'expired'
  reason: Code
  endsMs: number
  /** The line is in this order. */
  joined: number
}

/** What the slot says, and what became of the claim that it was asked about. */
export interface Answer {
  readonly code: Code
  readonly status?: Claim['status']
  readonly position?: number
}

export class SlotModel {
  claims: Claim[] = []
  readonly #terms: CreateSlotCommand
  #capacity: number
  #bps: number
  #isOpen = true
  #joins = 0

  constructor(terms: CreateSlotCommand) {
    this.#terms = terms
    this.#capacity = terms.capacity
    this.#bps = terms.overbooking_bps
  }

  get limit(): number {
    return this.#capacity + Math.trunc((this.#capacity * this.#bps) / 10_000)
  }

  units(status: Claim['status']): number {
    return this.claims.reduce((sum, claim) => sum + (claim.status === status ? claim.quantity : 0), 0)
  }

  get free(): number {
    return this.limit - this.units('held') - this.units('confirmed')
  }

  get line(): readonly Claim[] {
    return this.claims.filter(({ status }) => status === 'waitlisted').sort((a, b) => a.joined - b.joined)
  }

  decide(command: ReservationCommand, atMs: number): Answer {
    // An id that nobody has says of no slot that it is about it.
    const isLost = 'reservation_id' in command && this.#claim(command.reservation_id) === undefined
    if (isLost) return { code: 'reservation-not-found' }
    this.#settle(atMs, nameOf(command))
    const answer = this.#answer(command, atMs)
    this.#settle(atMs, null)
    const claim = this.#claim(nameOf(command))
    if (answer.status === undefined || claim === undefined) return answer
    // The answer is as of after what follows from it: whom the line lets in at once has no place in it.
    const { code, position } = answer
    return { code, status: claim.status, ...(claim.status === 'waitlisted' ? { position } : {}) }
  }

  /** Serves the line, ends what is due, one by one, until there is nothing left to do. */
  #settle(atMs: number, named: string | null): void {
    while (this.#serve(atMs) || this.#end(atMs, named));
  }

  #serve(atMs: number): boolean {
    const next = this.#isSelling(atMs)
      ? this.line.slice(0, 100).find(({ quantity }) => quantity <= this.free)
      : undefined
    if (next === undefined) return false
    const slotTtlMs = this.#terms.hold_ttl_seconds === null ? null : this.#terms.hold_ttl_seconds * 1000
    next.status = 'held'
    next.endsMs = atMs + (next.ownTtlMs ?? slotTtlMs ?? 15 * 60_000)
    return true
  }

  #end(atMs: number, named: string | null): boolean {
    const due = this.claims
      .filter(({ status, booking, endsMs }) => status === 'held' && booking === null && endsMs <= atMs)
      .sort((a, b) => a.endsMs - b.endsMs || (a.id < b.id ? -1 : 1))
    const next = due.find(({ id }) => id === named) ?? due[0]
    if (next !== undefined) next.status = 'expired'
    return next !== undefined
  }

  #answer(command: ReservationCommand, atMs: number): Answer {
    switch (command.type) {
      case 'reserve':
        return this.#reserve(command, atMs)
      case 'confirm':
      case 'cancel': {
        const claim = this.#claim(command.reservation_id)
        if (claim === undefined || (command.caller ?? claim.user) !== claim.user)
          return { code: 'reservation-not-found' }
        if (claim.booking !== (command.booking_id ?? null)) return answerOf('part-of-booking', claim)
        return command.type === 'confirm' ? this.#confirm(claim, command, atMs) : cancel(claim)
      }
      case 'update_slot':
        return this.#update(command)
      case 'erase_person':
        for (const claim of this.claims) {
          const isMeant = command.reservation_ids.some((id) => id === claim.id)
          if (isMeant && claim.user === command.user_id) claim.user = command.pseudonym
        }
        return { code: 'ok' }
      case 'create_slot':
        return { code: command.body_hash === this.#terms.body_hash ? 'ok' : 'slot-exists' }
      case 'wake_slot':
        return { code: 'ok' }
      case 'retire_slot': {
        const overMs = atMs - Date.parse(this.#terms.end_time)
        return { code: overMs >= command.keep_days * 24 * 3_600_000 ? 'ok' : 'not-over-yet' }
      }
    }
  }

  #reserve(command: ReserveCommand, atMs: number): Answer {
    const earlier = this.#claim(command.id)
    if (earlier !== undefined) return answerOf(earlier.reason, earlier)
    const { terms, isSelling } = { terms: this.#terms, isSelling: this.#isSelling(atMs) }
    const claim: Claim = {
      id: command.id,
      user: command.user_id,
      quantity: command.quantity,
      ownTtlMs: command.hold_ttl_seconds === undefined ? null : command.hold_ttl_seconds * 1000,
      booking: command.booking_id ?? null,
      status: 'rejected',
      reason: 'ok',
      endsMs: 0,
      joined: 0,
    }
    const taken = this.#takenBy(claim.user)
    this.claims.push(claim)
    if (!isSelling) claim.reason = this.#isEarly(atMs) ? 'sales-not-open' : 'slot-closed'
    else if (claim.quantity > this.limit) claim.reason = 'sold-out'
    else if (claim.quantity + taken > (terms.max_per_user ?? Number.POSITIVE_INFINITY))
      claim.reason = 'limit-exceeded'
    else if (claim.quantity <= this.free) this.#admit(claim, command, atMs)
    else if (terms.waitlist && command.join_waitlist === true && claim.booking === null) {
      return this.#queue(claim)
    } else claim.reason = 'sold-out'
    return answerOf(claim.reason, claim)
  }

  #admit(claim: Claim, { mode }: ReserveCommand, atMs: number): void {
    const ttl = this.#terms.hold_ttl_seconds
    const isHold = claim.booking !== null || (mode ?? (ttl === null ? 'confirm' : 'hold')) === 'hold'
    claim.status = isHold ? 'held' : 'confirmed'
    claim.endsMs = atMs + (claim.ownTtlMs ?? (ttl ?? 600) * 1000)
  }

  #confirm(claim: Claim, { late = 'reject' }: ConfirmCommand, atMs: number): Answer {
    if (claim.status === 'held') claim.status = 'confirmed'
    if (claim.status === 'confirmed') return answerOf('ok', claim)
    if (claim.status !== 'expired') return answerOf('not-confirmable', claim)
    if (late === 'reject') return answerOf('hold-expired', claim)
    const max = this.#terms.max_per_user ?? Number.POSITIVE_INFINITY
    const mayHaveIt = this.#isSelling(atMs) && this.#takenBy(claim.user) + claim.quantity <= max
    if (mayHaveIt && late === 'rehold' && claim.quantity <= this.free) {
      claim.status = 'confirmed'
      return answerOf('ok', claim)
    }
    const mayQueue = this.#terms.waitlist && claim.quantity <= this.limit
    return mayHaveIt && late === 'waitlist' && mayQueue
      ? this.#queue(claim)
      : answerOf('refund-required', claim)
  }

  #update({ capacity = this.#capacity, overbooking_bps = this.#bps, status }: UpdateSlotCommand): Answer {
    const limit = capacity + Math.trunc((capacity * overbooking_bps) / 10_000)
    if (limit < this.limit - this.free) return { code: 'capacity-in-use' }
    this.#capacity = capacity
    this.#bps = overbooking_bps
    if (status !== undefined) this.#isOpen = status === 'open'
    return { code: 'ok' }
  }

  #queue(claim: Claim): Answer {
    claim.status = 'waitlisted'
    claim.joined = ++this.#joins
    return { ...answerOf('ok', claim), position: this.line.length }
  }

  #takenBy(user: string): number {
    return this.claims
      .filter((claim) => claim.user === user && ['held', 'confirmed', 'waitlisted'].includes(claim.status))
      .reduce((sum, { quantity }) => sum + quantity, 0)
  }

  #isEarly(atMs: number): boolean {
    const { sales_open_at } = this.#terms
    return this.#isOpen && sales_open_at !== null && atMs < Date.parse(sales_open_at)
  }

  #isSelling(atMs: number): boolean {
    const { sales_close_at } = this.#terms
    const isOver = sales_close_at !== null && atMs >= Date.parse(sales_close_at)
    return this.#isOpen && !this.#isEarly(atMs) && !isOver
  }

  #claim(id: string | null): Claim | undefined {
    return this.claims.find((claim) => claim.id === id)
  }
}

function cancel(claim: Claim): Answer {
  if (claim.status === 'rejected' || claim.status === 'expired') return answerOf('not-cancellable', claim)
  claim.status = 'cancelled'
  return answerOf('ok', claim)
}

function answerOf(code: Code, { status }: Claim): Answer {
  return { code, status }
}

function nameOf(command: ReservationCommand): string | null {
  if (command.type === 'reserve') return command.id
  return 'reservation_id' in command ? command.reservation_id : null
}
