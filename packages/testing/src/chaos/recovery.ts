/** How long things took to come back, measured from the outside. Only faults that came alone are measured. */
import type { FaultKind } from './fault-plan.ts'

/** What is measured; each says where its clock starts and stops. */
export const recoveryKinds = {
  'worker-killed': {
    says: 'worker killed → each of its partitions moving again',
    aimMs: 8000,
  },
  'worker-frozen': {
    says: 'worker frozen → each of its partitions moving again, under another',
    aimMs: null,
  },
  'api-killed': { says: 'API killed → its replacement ready', aimMs: null },
  'broker-answers': { says: 'broker killed → it answers a request for metadata', aimMs: null },
  'broker-acks': { says: 'broker answers → first 202 to a request sent after the kill', aimMs: 5000 },
  'broker-killed-acks': { says: 'broker killed → first 202 to a request sent after the kill', aimMs: null },
  'database-answers': { says: 'database killed → it answers a query', aimMs: null },
  'database-commits': { says: 'database answers → first commit of a partition', aimMs: 5000 },
  'database-killed-commits': {
    says: 'database killed → first commit of a partition after the restart began',
    aimMs: null,
  },
  settled: { says: 'over → every app ready and every partition moving', aimMs: null },
} as const satisfies Readonly<Record<string, { says: string; aimMs: number | null }>>

export type RecoveryKind = keyof typeof recoveryKinds

export interface Recovery {
  readonly kind: RecoveryKind
  readonly fault: FaultKind
  /** Null: not within the deadline. */
  readonly tookMs: number | null
}

export interface RecoveryRow {
  readonly kind: RecoveryKind
  readonly says: string
  readonly count: number
  readonly medianMs: number
  readonly maxMs: number
  readonly aimMs: number | null
}

/** One row for each kind that was measured; how long it took to settle is told for each fault. */
export function summarise(recoveries: readonly Recovery[]): readonly RecoveryRow[] {
  const groups = Map.groupBy(recoveries, ({ kind, fault }) =>
    kind === 'settled' ? `settled ${fault}` : kind,
  )
  const order = Object.keys(recoveryKinds)
  const sorted = [...groups.values()].sort(
    ([a], [b]) => order.indexOf(a?.kind ?? '') - order.indexOf(b?.kind ?? ''),
  )
  return sorted.flatMap((group) => {
    const [first] = group
    const took = group.map(({ tookMs }) => tookMs ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b)
    const medianMs = took[(took.length - 1) >> 1]
    const maxMs = took.at(-1)
    if (first === undefined || medianMs === undefined || maxMs === undefined) return []
    const { says, aimMs } = recoveryKinds[first.kind]
    const what = first.kind === 'settled' ? `${first.fault}: ${says}` : says
    return [{ kind: first.kind, says: what, count: took.length, medianMs, maxMs, aimMs }]
  })
}
