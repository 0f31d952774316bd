/** The check `orphans`: entries and reservations whose slot is not there, and reservations where no slot has them. */
import { routingHash } from '@ironsys/contracts'
import type { Pool } from '@ironsys/postgres'
import { z } from 'zod'
import { type Query, readConsistently } from './consistent-read.ts'
import type { Protocol } from './report.ts'

const ORPHAN_SLOTS_MAX = 1000

const orphanEntries = z.array(
  z.object({ slot_id: z.string(), entries: z.int(), first: z.string(), last: z.string(), slots: z.int() }),
)

export type OrphanEntries = z.infer<typeof orphanEntries>

/** Entries of slots that are not there, with ids from `first` to `last`; at most {@link ORPHAN_SLOTS_MAX} slots. */
export async function readOrphanEntries(query: Query, first: string, last: string): Promise<OrphanEntries> {
  const text = `
SELECT slot_id, count(*)::int AS entries, min(version)::text AS first, max(version)::text AS last,
       (count(*) OVER ())::int AS slots
  FROM slot_ledger l
 WHERE slot_id BETWEEN $1 AND $2
   AND NOT EXISTS (SELECT FROM slots s WHERE s.id = l.slot_id AND s.id BETWEEN $1 AND $2)
 GROUP BY slot_id ORDER BY slot_id LIMIT ${ORPHAN_SLOTS_MAX}`
  return orphanEntries.parse(await query(text, [first, last]))
}

/** Those that were not read are counted. */
export function reportOrphanEntries(orphans: OrphanEntries, protocol: Protocol): void {
  protocol.addUnlisted('orphans', (orphans[0]?.slots ?? 0) - orphans.length)
  for (const orphan of orphans) {
    protocol.add({
      check: 'orphans',
      subject: `slot ${orphan.slot_id}`,
      slotId: orphan.slot_id,
      detail: `the slot is not stored, but has ${orphan.entries} ledger entries, versions ${orphan.first} to ${orphan.last}`,
      repairable: isGapless(orphan) ? 'state' : null,
    })
  }
}

/** Versions 1, 2, 3, … as far as their number tells. */
function isGapless({ entries, first, last }: OrphanEntries[number]): boolean {
  return first === '1' && last === String(entries)
}

/** Slots of a page, with the hash that starts the ids of their reservations. */
const groupRows = z.array(
  z.object({
    slot_id: z.string(),
    prefix: z.string(),
    reservations: z.int(),
    example: z.string(),
    orphans: z.int(),
    last: z.string(),
  }),
)

/**
 * In the order of their ids, `pageSize` at a time. A reservation that was rejected because its slot does not exist is
 * no orphan.
 */
export async function auditReservationOwners(
  pool: Pool,
  protocol: Protocol,
  options: { readonly pageSize: number; readonly statementTimeoutMs: number },
  onPage: (reservations: number) => void,
): Promise<void> {
  const text = `
WITH page AS (SELECT id, slot_id, status, reason FROM reservations WHERE id > $1 ORDER BY id LIMIT $2)
SELECT p.slot_id, left(p.id::text, 8) AS prefix, count(*)::int AS reservations, min(p.id::text) AS example,
       max(p.id::text) AS last,
       (count(*) FILTER (WHERE s.id IS NULL AND p.reason IS DISTINCT FROM 'slot-not-found'))::int AS orphans
  FROM page p LEFT JOIN slots s ON s.id = p.slot_id GROUP BY p.slot_id, prefix, s.id`
  let after = '00000000-0000-0000-0000-000000000000'
  for (;;) {
    const values = [after, options.pageSize]
    const page = await readConsistently(pool, options.statementTimeoutMs, (query) => query(text, values))
    const groups = groupRows.parse(page)
    const read = groups.reduce((sum, group) => sum + group.reservations, 0)
    for (const group of groups) reportOwner(group, protocol)
    protocol.count('orphans', read)
    onPage(read)
    if (read < options.pageSize) return
    after =
      groups
        .map((group) => group.last)
        .sort()
        .at(-1) ?? after
  }
}

function reportOwner(group: z.infer<typeof groupRows>[number], protocol: Protocol): void {
  const { slot_id: slotId, prefix, reservations, example, orphans } = group
  const finding = { check: 'orphans', slotId, repairable: null } as const
  if (orphans > 0) {
    const subject = `slot ${slotId}`
    const detail = `${orphans} reservations belong to it, but the slot is not stored, such as ${example}`
    protocol.add({ ...finding, subject, detail })
  }
  // The last of the 32 bits says how the id was made.
  if (Number.parseInt(prefix, 16) >>> 1 !== routingHash(slotId)) {
    const detail = `${reservations} ids such as this do not carry the hash of slot ${slotId}, to which they are stored`
    protocol.add({ ...finding, subject: `reservation ${example}`, detail })
  }
}
