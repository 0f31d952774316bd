/**
 * The shape of a domain: three pure functions over the state of one key.
 *
 * The state of a key is a small header and the rows around it (a slot and its reservations). A command sees the
 * header, the rows it names and the front of the key's lists (what is due, who is next), so its cost does not grow with
 * the item. `decide` says what happens as events, `evolve` is the only way anything changes; both are synchronous and
 * see no clock, no I/O and no randomness (I6).
 * The pattern is Jérémie Chassaing's decider.
 */

/** What every header has: the version of the key's ledger, gapless from 1 (I5). */
export interface Header {
  readonly version: number
}

/** A decoded command. */
export interface Command {
  /** Unique per command, the same however often it is sent. */
  readonly id: string
  /** Where the outcome is waited for, if anywhere; named as on the wire. */
  readonly reply_to?: string | undefined
}

/** What a command needs to be in memory before it is decided. */
export interface Needs {
  /** The key it belongs to, or null where a row names it (a cancel by reservation id). */
  readonly key: string | null
  /** The ids of the rows it reads or changes. */
  readonly rowIds: readonly string[]
  /** True when the command is idempotent neither by its own id nor by state: its outcome is then remembered (I3). */
  readonly remembered: boolean
  /** Lists of the key that it will read beside the standing ones. To name them only saves time. */
  readonly lists?: readonly string[]
}

/** Where a row stands in one of its key's lists: in the order of `at`, then of the row's id. */
export interface ListPlace {
  readonly list: string
  readonly at: number
}

/** The list of rows that something happens to when their time (`at`, Unix milliseconds) comes, without any command. */
export const DUE_LIST = 'due'

/** What `decide` sees. */
export interface View<H extends Header, R> {
  readonly header: H | null
  row(id: string): R | undefined
  /**
   * The rows of a list in their order, up to and with those at `upTo`, read as far as the caller goes. Where not so much
   * is in memory the engine ends the batch before this command, loads more and decides it again.
   */
  list(name: string, upTo?: number): Iterable<R>
  /** How many steps this command has taken. */
  readonly steps: number
}

/** One header and at most one row: all that a single event can change. A header that becomes null takes its rows with it. */
export interface Change<H extends Header, R> {
  readonly header: H | null
  readonly row: R | undefined
}

/** An event names the row that it changes, if any. */
export interface DomainEvent {
  readonly type: string
  readonly rowId: string | null
}

/** What a command leads to, or one step on the way there, after which it is decided again. */
export type Decision<E extends DomainEvent, O> = Decided<E, O> | Step<E>

export interface Decided<E extends DomainEvent, O> {
  readonly events: readonly E[]
  /** The answer, made from the state after the events. */
  readonly outcome: O
  /** Who is answered instead of the command's own `reply_to`; null for nobody yet. */
  readonly replyTo?: string | null
}

/**
 * Something that is done before the command itself, such as what is due: at least one event. A batch may end between
 * two steps, so that a command that leads to many is spread over batches of bounded size.
 */
export interface Step<E extends DomainEvent> {
  readonly step: readonly E[]
}

/** Why a record cannot be a command; the record goes to the dead letters (or, `newer`, halts the partition). */
export interface Unreadable {
  readonly unreadable: 'malformed' | 'newer-schema'
  readonly detail: string
  /** The command's id where it could be read: its status then says `failed`. */
  readonly commandId: string | null
}

export interface Decider<C extends Command, E extends DomainEvent, H extends Header, R, O> {
  /** Reads a record of the log. Never throws. */
  parse(value: Buffer | null): C | Unreadable
  /** `header` is the key's, as far as it is in memory: not necessarily what `decide` will see. */
  needs(command: C, header?: H): Needs
  /** The key that a row belongs to. */
  keyOfRow(row: R): string
  rowId(row: R): string
  /** The lists that a row stands in. */
  listsOf(row: R): readonly ListPlace[]
  /** The lists whose first page is loaded with the header, because any command may read them. */
  readonly standingLists: readonly string[]
  /** Those of them that may have rows now. */
  openLists(header: H): readonly string[]
  /**
   * Decides one command. `atMs` is the log's time, clamped so that it never goes back.
   * A refusal is a decision too: an outcome, with or without an event. Throws only on a broken invariant.
   */
  decide(view: View<H, R>, command: C, atMs: number): Decision<E, O>
  /** When something is due at the key itself, beside the rows of its due list, Unix milliseconds; null for never. */
  dueAtOfHeader(header: H): number | null
  /** The outcome's name: one of a closed list, for metrics. */
  codeOf(outcome: O): string
  /** The answer to a repeat of a `remembered` command, from the outcome it had. */
  repeat(command: C, outcome: O): O
  /** Applies an event. A version one higher makes it a ledger entry; the same version makes it only an event. */
  evolve(change: Change<H, R>, event: E, atMs: number): Change<H, R>
}
