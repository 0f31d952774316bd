/** Counters in a Prometheus exposition. */

export interface Counter {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Every label set of the one metric; label values must be plain, without quotes and escapes. */
export function readCounters(exposition: string, name: string): readonly Counter[] {
  return [...exposition.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))].map(
    ([, labels = '', value]) => ({
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="([^"\\]*)"/g)].map(([, label = '', text = '']) => [label, text]),
      ),
      value: Number(value),
    }),
  )
}
