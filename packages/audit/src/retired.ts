/**
 * Creates without an outcome whose key is not stored: fine where a command behind them retired the key, else lost.
 *
 * The log is read from the first of them to where the fence stands now: what was retired while the outcomes were looked
 * up lies below that. A key that was retired may have been made again; the last that is heard of it is not judged then.
 */
import type { LogSource } from './log-source.ts'
import type { OutcomeRules, Suspect } from './outcomes.ts'
import { sayer } from './partitions.ts'
import type { Protocol } from './report.ts'

/** Of one partition; more of them are not judged, and the check says so. */
const SUSPECTS_MAX = 1000

export type SuspectsByPartition = Map<number, readonly Suspect[]>

export function noteSuspects(
  known: SuspectsByPartition,
  partition: number,
  suspects: readonly Suspect[],
  protocol: Protocol,
): void {
  const all = [...(known.get(partition) ?? []), ...suspects]
  if (all.length > SUSPECTS_MAX)
    protocol.skip('outcomes', `more than ${SUSPECTS_MAX} commands lack what they made, and its key`)
  if (all.length > 0) known.set(partition, all.slice(0, SUSPECTS_MAX))
}

/** `nextOffsets`: where the fences stand by now. */
export async function judgeSuspects(
  log: LogSource,
  rules: OutcomeRules,
  suspects: SuspectsByPartition,
  nextOffsets: ReadonlyMap<number, number>,
  protocol: Protocol,
): Promise<void> {
  const bounds = await log.bounds(rules.topic)
  const wanted = [...suspects].flatMap(([partition, list]) => {
    const from = Math.max(bounds.get(partition)?.low ?? 0, Math.min(...list.map(({ offset }) => offset)))
    const to = Math.min(bounds.get(partition)?.high ?? 0, nextOffsets.get(partition) ?? 0)
    return from >= to ? [] : [[partition, { from, to }] as const]
  })
  /** By key: the last command that retired it. */
  const retired = new Map<string, number>()
  const keys = new Set([...suspects.values()].flat().map(({ key }) => key))
  await log.read(rules.topic, new Map(wanted), async (_partition, records) => {
    for (const record of records) {
      const key = rules.retiredKeyOf(record)
      if (key !== null && keys.has(key)) retired.set(key, record.offset)
    }
  })
  for (const [partition, list] of suspects) {
    const say = sayer('outcomes', { topic: rules.topic, partition }, protocol)
    for (const { offset, key, missing } of list) {
      if ((retired.get(key) ?? -1) < offset) say(`offset ${offset}: ${missing}`)
    }
  }
}
