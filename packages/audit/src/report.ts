/** What an audit says: the closed list of checks, and findings, kept up to a bound and counted beyond it. */

/**
 * Every check, by its stable name. `per` is what is counted as checked.
 * docs/operating.md says what each finding asks for.
 */
export const checks = {
  'ledger-versions': { per: 'slots', about: 'versions are 1, 2, 3, … without a gap or a repeat' },
  'ledger-bounds': { per: 'entries', about: 'at no version was more taken than the limit (I1)' },
  'ledger-entries': { per: 'entries', about: "an entry's columns are what its event says" },
  'slot-state': { per: 'slots', about: 'the stored slot is what its ledger adds up to' },
  reservations: { per: 'reservations', about: 'each reservation has exactly its ledger entries' },
  'due-holds': { per: 'holds', about: 'none is over for long and held still' },
  'user-limits': { per: 'reservations', about: 'no user has more of a slot than it allows' },
  orphans: { per: 'reservations', about: 'nothing belongs to a slot that is not there' },
  bookings: { per: 'bookings', about: 'several slots or none: all is confirmed, or nothing is held' },
  partitions: { per: 'partitions', about: 'the fence stands where the command log says' },
  outbox: { per: 'segments', about: 'what is unpublished is without holes, and young' },
  events: {
    per: 'events',
    about: 'the ends of the events topics are in order, without gaps, and say what the ledger says',
  },
  outcomes: { per: 'commands', about: 'below the fence all have an outcome, above it none waits long (I2)' },
  snapshots: { per: 'snapshots', about: 'no snapshot in Redis is ahead of state or differs from it' },
  'snapshot-behind': { per: 'snapshots', about: 'every snapshot in Redis catches up with state' },
  'dead-letters': { per: 'open letters', about: 'records that wait for an operator: never a finding' },
} as const satisfies Record<string, { readonly per: string; readonly about: string }>

export type CheckName = keyof typeof checks

export const checkNames: readonly CheckName[] = Object.keys(checks).filter(isCheckName)

export function isCheckName(name: string): name is CheckName {
  return Object.hasOwn(checks, name)
}

/** What a repair can derive: a snapshot from state, state from the ledger. */
export type Repairable = 'snapshot' | 'state'

export interface Finding {
  readonly check: CheckName
  /** What it is about: `slot …`, `reservation …`, `partition …`. */
  readonly subject: string
  /** The slot it belongs to, where it belongs to one. */
  readonly slotId: string | null
  readonly detail: string
  /** What is wrong by name, without its values; absent where a finding is not about columns. */
  readonly fields?: readonly string[]
  /** Null: what is right cannot be derived from what is stored. */
  readonly repairable: Repairable | null
  /** What to do, where that is not what the check says of its findings. */
  readonly remedy?: string
}

export interface CheckResult {
  readonly name: CheckName
  readonly checked: number
  readonly findings: number
  /** Of the pass over the data that this check was part of; others may have been part of it too. */
  readonly durationMs: number
  /** Why the check was not done, or not to its end. */
  readonly skipped?: string
}

export interface AuditReport {
  readonly checks: readonly CheckResult[]
  /** The first ones, at most `findingsMax`. */
  readonly findings: readonly Finding[]
  /** All of them, also those that are not listed. */
  readonly findingsTotal: number
  /** False when a check was not done to its end. */
  readonly complete: boolean
  readonly durationMs: number
}

/** What to do about a finding, on one line. */
export function remedyOf({
  check,
  repairable,
  remedy,
}: Pick<Finding, 'check' | 'repairable' | 'remedy'>): string {
  if (repairable !== null) return './ironsys audit --repair'
  if (remedy !== undefined) return remedy
  switch (check) {
    case 'ledger-versions':
    case 'ledger-bounds':
    case 'ledger-entries':
    case 'slot-state':
    case 'reservations':
    case 'user-limits':
    case 'orphans':
      return 'cannot be derived: reservations.events and the command log say what was decided; restore it from a backup'
    case 'due-holds':
      return "start a worker, or see in the worker's log why the slot is not woken: ironsys_halted_partitions"
    case 'bookings':
      return 'cannot be derived: bookings.events and reservations.events say what was decided; restore it from a backup'
    case 'partitions':
      return "stop the worker; compare the log with its replicas and the database's address with the log's"
    case 'outbox':
      return 'see whether a worker owns the partition and Kafka takes its events: ./ironsys lag'
    case 'events':
      return 'tell the consumers of the topic which events are missing; state is not concerned'
    case 'outcomes':
      return 'the command is still in the log: the row was lost after its decision; restore it from a backup'
    case 'snapshots':
    case 'snapshot-behind':
      return 'remove the key from Redis'
    case 'dead-letters':
      return './ironsys dlq list'
  }
}

interface Tally {
  checked: number
  findings: number
  durationMs: number
  skipped: string | null
}

/** Collects what the checks see of one audit. Memory is bounded by `findingsMax`, whatever is wrong. */
export class Protocol {
  readonly #results: Map<CheckName, Tally>
  readonly #findings: Finding[] = []
  readonly #findingsMax: number
  /** At most `findingsMax`. */
  readonly #damagedLedgers = new Set<string>()

  constructor(names: readonly CheckName[], findingsMax: number) {
    this.#results = new Map(
      names.map((name) => [name, { checked: 0, findings: 0, durationMs: 0, skipped: null }]),
    )
    this.#findingsMax = findingsMax
  }

  /** Whether the check was asked for. */
  wants(name: CheckName): boolean {
    return this.#results.has(name)
  }

  count(name: CheckName, checked: number): void {
    const result = this.#results.get(name)
    if (result !== undefined) result.checked += checked
  }

  add(finding: Finding): void {
    const result = this.#results.get(finding.check)
    if (result === undefined) return
    result.findings++
    if (this.#findings.length >= this.#findingsMax) return
    const refused = finding.slotId !== null && this.#damagedLedgers.has(finding.slotId)
    this.#findings.push(refused ? { ...finding, repairable: null } : finding)
  }

  /** A damaged ledger repairs nothing of its slot: what is added from now on does not offer it. */
  noteDamagedLedger(slotId: string): void {
    if (this.#damagedLedgers.size < this.#findingsMax) this.#damagedLedgers.add(slotId)
  }

  took(name: CheckName, durationMs: number): void {
    const result = this.#results.get(name)
    if (result !== undefined) result.durationMs += durationMs
  }

  hasFindings(): boolean {
    return this.#findings.length > 0
  }

  /** Findings that are counted and not listed. */
  addUnlisted(name: CheckName, findings: number): void {
    const result = this.#results.get(name)
    if (result !== undefined) result.findings += findings
  }

  /** The first reason is kept: what follows is often its consequence. */
  skip(name: CheckName, reason: string): void {
    const result = this.#results.get(name)
    if (result !== undefined) result.skipped ??= reason
  }

  report(durationMs: number): AuditReport {
    const results = [...this.#results].map(([name, { skipped, ...counts }]): CheckResult => {
      return { name, ...counts, ...(skipped === null ? {} : { skipped }) }
    })
    return {
      checks: results,
      findings: [...this.#findings],
      findingsTotal: results.reduce((sum, result) => sum + result.findings, 0),
      complete: results.every((result) => result.skipped === undefined),
      durationMs,
    }
  }
}
