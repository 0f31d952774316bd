/**
 * What should happen, decided a second time: plain maps, one record after the other, no batches, no caches. It shares no
 * code with the decider. The checker compares what the system commits with what this says.
 *
 * How far a command takes what is due out of the way, and where a batch ends, is the system's choice. So the model follows
 * the events of each commit and judges them:
 * 1. What a command leads to is what it would lead to if everything due had been done: a hold that is over blocks nobody.
 * 2. A hold expires when its time is over and not before, the earliest first; before all others the one that the command
 *    names. One of a booking never expires: the booking is asked.
 * 3. Free units go to the first of the first 100 in line that fits, while the slot sells, and nobody who fits is left
 *    waiting when a command is decided.
 */
import type { Findings, Invariant } from '../violations.ts'
import { happen, type OwnAccord, settle, takeEffect, takesVersion } from './changes.ts'
import { type Decision, decideOn, type OwnEvent } from './decisions.ts'
import type { EventFeed, ObservedEvent } from './event-feed.ts'
import { type Meaning, type ModelCommand, reservationNamedBy } from './meaning.ts'
import { type ModelReservation, type ModelStatus, SlotBook } from './slot-book.ts'

export interface Decided {
  readonly code: string
  /** Of the reservation that the command is about, after it. */
  readonly status: ModelStatus | null
}

/** So many steps may come before a command that is accepted although more is due, and of a wake. */
const STEPS_BEFORE_ACCEPTANCE = 16
const STEPS_OF_WAKE = 500

export class Model {
  readonly books = new Map<string, SlotBook>()
  /** What was changed or looked at, until somebody clears it. */
  readonly touched = { slots: new Set<string>(), reservations: new Set<string>() }
  readonly #findings: Findings
  readonly #slotOf = new Map<string, string>()
  /** What became of each update and each late confirmation, by command id: asked again, they are not decided again. */
  readonly #remembered = new Map<string, { readonly decided: Decided; readonly hash: string | null }>()

  constructor(findings: Findings) {
    this.#findings = findings
  }

  reservation(id: string): ModelReservation | undefined {
    return this.books.get(this.#slotOf.get(id) ?? '')?.reservations.get(id)
  }

  slotOf(reservationId: string): string | undefined {
    return this.#slotOf.get(reservationId)
  }

  /** Decides one record at its time and takes its events from the feed. The code may be `dead-letter:<code>`. */
  apply(meaning: Meaning, atMs: number, feed: EventFeed): Decided {
    if (meaning.kind === 'poison') return decided(`dead-letter:${meaning.code}`)
    const { command } = meaning
    const earlier = isRemembered(command) ? this.#remembered.get(command.id) : undefined
    if (earlier !== undefined) {
      return earlier.hash === hashOf(command) ? earlier.decided : decided('idempotency-key-reused')
    }
    const outcome = this.#applyOnce(command, atMs, feed)
    if (isRemembered(command)) {
      this.#remembered.set(command.id, { decided: outcome, hash: hashOf(command) })
    }
    return outcome
  }

  #applyOnce(command: ModelCommand, atMs: number, feed: EventFeed): Decided {
    const book = this.#bookOf(command)
    if (book === undefined) return decided('reservation-not-found')
    if (command.type === 'reserve' && command.refused && !book.reservations.has(command.id)) {
      return decided('dead-letter:data-error')
    }
    const { code } = this.#decide(book, command, atMs, feed)
    const named = reservationNamedBy(command)
    const reservation = named === null ? undefined : book.reservations.get(named)
    return { code, status: reservation?.status ?? null }
  }

  /** The first steps of the record that comes next: one of `meanings`. The rest follows in another commit. */
  applyPartly(meanings: readonly Meaning[], atMs: number, feed: EventFeed): void {
    for (let event = feed.next; event !== undefined; event = feed.next) {
      for (const meaning of meanings) {
        if (meaning.kind === 'command') this.#decidePartly(meaning.command, atMs, feed)
      }
      if (event === feed.next) {
        this.#found(event, 'no command leads to it')
        return
      }
    }
  }

  #decidePartly(command: ModelCommand, atMs: number, feed: EventFeed): void {
    const book = this.#bookOf(command)
    if (book === undefined || (isRemembered(command) && this.#remembered.has(command.id))) return
    this.#follow(book, reservationNamedBy(command), atMs, feed)
    // These two are done before what follows from them is, and answered after it.
    if (command.type !== 'cancel' && command.type !== 'update_slot') return
    const { code, events } = decideOn(book, command, atMs)
    const [own] = events
    const next = feed.next
    if (own === undefined || next?.type !== own.type || next.reservationId !== own.reservationId) return
    this.#takeOwn(book, own, command, code, atMs, feed)
    this.#follow(book, null, atMs, feed)
  }

  #decide(book: SlotBook, command: ModelCommand, atMs: number, feed: EventFeed): Decision {
    const named = reservationNamedBy(command)
    this.touched.slots.add(book.id)
    if (named !== null) this.touched.reservations.add(named)
    this.#follow(book, named, atMs, feed)
    const hold = named === null ? undefined : book.reservations.get(named)
    if (hold?.status === 'held' && hold.bookingId === null && (hold.expiresMs ?? 0) <= atMs) {
      this.#findings.add(
        'I6',
        `${command.type} ${command.id} finds ${hold.id} held at ${atMs}, which is over`,
      )
    }
    const decision = decideOn(book, command, atMs)
    this.#compareWithSettled(book, command, decision, atMs)
    for (const own of decision.events) this.#takeOwn(book, own, command, decision.code, atMs, feed)
    this.#follow(book, null, atMs, feed)
    const overlooked = book.nextInLine(atMs)
    if (overlooked !== undefined) {
      const free = `${book.freeUnits} units of ${book.id} are free`
      this.#findings.add('waitlist', `${free} after ${command.id}, and ${overlooked.id} in line fits`)
    }
    return decision
  }

  /** What was decided with something due left must be what would be decided with nothing due left. */
  #compareWithSettled(book: SlotBook, command: ModelCommand, decision: Decision, atMs: number): void {
    if (!book.hasDue(atMs)) return
    const steps = book.stepsAt(atMs)
    if (command.type === 'wake_slot') {
      const missing = () => `a wake left ${book.due(atMs).map(({ id }) => id)} of ${book.id} at ${atMs}`
      this.#findings.expect(steps >= STEPS_OF_WAKE, 'I6', missing)
      return
    }
    if (decision.code === 'ok' && steps >= STEPS_BEFORE_ACCEPTANCE) return
    const settled = book.copy()
    settle(settled, atMs)
    const expected = decideOn(settled, command, atMs)
    this.#findings.expect(
      textOf(expected) === textOf(decision),
      'I6',
      () => `${command.id} is decided ${textOf(decision)}; with all done that is due, ${textOf(expected)}`,
    )
  }

  #takeOwn(
    book: SlotBook,
    own: OwnEvent,
    command: ModelCommand,
    code: string,
    atMs: number,
    feed: EventFeed,
  ): void {
    const { next } = feed
    const fits =
      next?.slotId === book.id &&
      next.type === own.type &&
      next.reservationId === own.reservationId &&
      next.atMs === atMs
    if (!fits) {
      const expected = `${command.type} ${command.id} leads to ${own.type} of ${own.reservationId} at ${atMs}`
      this.#found(next, `${expected}: ${code}`)
      return
    }
    const version = (book.slot?.version ?? 0) + (takesVersion(own, book) ? 1 : 0)
    if (own.type === 'slot_retired') {
      for (const id of book.reservations.keys()) this.touched.reservations.add(id)
    }
    if (own.reservationId !== null) this.#slotOf.set(own.reservationId, book.id)
    takeEffect(book, own, command, code, atMs)
    book.stepTaken(atMs, true)
    this.#took(next, version, feed)
  }

  /** Takes what happened by itself at the slot, as long as it may. */
  #follow(book: SlotBook, named: string | null, atMs: number, feed: EventFeed): void {
    for (let { next } = feed; next?.slotId === book.id && next.atMs === atMs; next = feed.next) {
      const reservation = book.reservations.get(next.reservationId ?? '')
      const type = reservation === undefined ? null : mayHappen(book, reservation, named, next)
      if (reservation === undefined || type === null) return
      happen(book, type, reservation, atMs)
      book.stepTaken(atMs, false)
      this.#took(next, book.slot?.version ?? 0, feed)
    }
  }

  #took(event: ObservedEvent, version: number, feed: EventFeed): void {
    feed.take()
    this.touched.slots.add(event.slotId)
    if (event.reservationId !== null) this.touched.reservations.add(event.reservationId)
    const wrong = () => `${event.type} of ${event.slotId} has version ${event.version}, expected ${version}`
    this.#findings.expect(event.version === version, 'I5', wrong)
  }

  #bookOf(command: ModelCommand): SlotBook | undefined {
    const slotId = 'slotId' in command ? command.slotId : this.#slotOf.get(command.reservationId)
    if (slotId === undefined) return undefined
    let book = this.books.get(slotId)
    if (book === undefined) {
      book = new SlotBook(slotId)
      this.books.set(slotId, book)
    }
    return book
  }

  #found(event: ObservedEvent | undefined, instead: string): void {
    const book = this.books.get(event?.slotId ?? '')
    const state =
      event === undefined || book === undefined
        ? ''
        : `; ${book.freeUnits} free, in line first ${book.nextInLine(event.atMs)?.id}, due ${book.due(event.atMs).map(({ id }) => id)}`
    this.#findings.add(invariantOf(event), `${instead}; found ${JSON.stringify(event)}${state}`)
  }
}

/** What the event is, if it may happen now; else null. */
function mayHappen(
  book: SlotBook,
  reservation: ModelReservation,
  named: string | null,
  { type, atMs }: ObservedEvent,
): OwnAccord | null {
  if (type === 'waiter_promoted') return book.nextInLine(atMs) === reservation ? type : null
  if (reservation.status !== 'held' || (reservation.expiresMs ?? atMs + 1) > atMs) return null
  const isFirst = book.due(atMs)[0] === reservation
  if (type === 'hold_overdue') return reservation.bookingId !== null && isFirst ? type : null
  if (type !== 'hold_expired' || reservation.bookingId !== null) return null
  return isFirst || reservation.id === named ? type : null
}

function invariantOf(event: ObservedEvent | undefined): Invariant {
  if (event?.type === 'waiter_promoted') return 'waitlist'
  return event?.type === 'hold_expired' || event?.type === 'hold_overdue' ? 'I6' : 'I3'
}

function textOf({ code, events }: Decision): string {
  return `${code}: ${events.map(({ type }) => type).join()}`
}

/** What asked again might lead to something else, though it is one and the same wish. */
function isRemembered(command: ModelCommand): boolean {
  return command.type === 'update_slot' || (command.type === 'confirm' && command.late !== null)
}

function hashOf(command: ModelCommand): string | null {
  return command.type === 'update_slot' ? command.hash : null
}

function decided(code: string): Decided {
  return { code, status: null }
}
