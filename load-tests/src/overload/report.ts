/** What the bench of overload says, and its targets. */
import { milliseconds, table, whole } from '../table.ts'
import { type Target, verdictOf } from '../targets.ts'
import type { Point } from './points.ts'

/** What the figures do not say. */
export const caveats: readonly string[] = [
  'Load generator, API, Kafka, worker, Postgres and Redis share this machine: what the generator takes at a high rate, and what',
  '  refusals cost, is missing elsewhere; on a machine of its own the API has all of it.',
  'Open loop: each request has its time, and its latency counts from it (no coordinated omission). Nobody who is refused tries again.',
  'Measured once the system has settled (--settle): at the onset of an overload some wait for longer until enough is refused.',
  'Sustainable is what is committed a second while a closed loop keeps the system busy.',
  'Not measured: many slots, bookings, reads meanwhile, several APIs, a network between the parts, TLS.',
]

/** Of the peak, from the sustainable rate on. */
const COMMITTED_LEAST_SHARE = 0.8
/** Of the 99 % at the sustainable rate and beyond. */
const ACCEPTED_P99_MOST_MS = 250

export function curveTable(points: readonly Point[]): string {
  const cells = (name: string, of: (point: Point) => string) => [name, ...points.map(of)]
  const cpuNames = [...new Set(points.flatMap(({ cpuSeconds }) => Object.keys(cpuSeconds)))]
  return table([
    cells('of the sustainable rate', nameOf),
    cells('offered per second', (point) => whole(point.offeredPerSecond)),
    cells('accepted (202) per second', (point) => whole(point.acceptedPerSecond)),
    cells('committed per second', (point) => whole(point.committedPerSecond)),
    cells('refused (503) per second', (point) => whole(point.refusedPerSecond)),
    cells('202: p50', (point) => milliseconds(point.acceptedP50Ms)),
    cells('202: p99', (point) => milliseconds(point.acceptedP99Ms)),
    cells('503: p50', (point) => milliseconds(point.refusedP50Ms)),
    cells('503: p99', (point) => milliseconds(point.refusedP99Ms)),
    cells('more accepted than committed', (point) => whole(point.behind)),
    ...['produce-queue', 'event-loop', 'worker-lag'].map((reason) =>
      cells(`pressure: ${reason}`, ({ pressures }) => (pressures[reason] ?? 0).toFixed(2)),
    ),
    ...['produce-queue', 'event-loop', 'worker-lag'].map((reason) =>
      cells(`shed by ${reason}`, ({ shedBy }) => whole(shedBy[reason] ?? 0)),
    ),
    cells('not answered', (point) => whole(point.unanswered)),
    cells('generator late: p99', (point) => milliseconds(point.generatorLateP99Ms)),
    ...cpuNames.map((name) =>
      cells(`CPU seconds: ${name}`, (point) => seconds(point.cpuSeconds[name] ?? null)),
    ),
  ])
}

export function nameOf({ factor }: Point): string {
  return factor === null ? 'closed loop' : `${factor} ×`
}

export function curveTargets(points: readonly Point[]): readonly Target[] {
  const peak = Math.max(...points.map((point) => point.committedPerSecond))
  return points
    .filter(({ factor }) => factor !== null && factor > 1)
    .flatMap((point) => {
      const share = point.committedPerSecond / peak
      const p99 = point.acceptedP99Ms
      return [
        {
          name: `${nameOf(point)}: committed, of the peak of ${whole(peak)}`,
          measured: `${Math.round(share * 100)} %`,
          wanted: `≥ ${COMMITTED_LEAST_SHARE * 100} %`,
          verdict: verdictOf(share >= COMMITTED_LEAST_SHARE),
        },
        {
          name: `${nameOf(point)}: accepted, p99`,
          measured: milliseconds(p99),
          wanted: `< ${ACCEPTED_P99_MOST_MS} ms`,
          verdict: verdictOf(p99 !== null && p99 < ACCEPTED_P99_MOST_MS),
        },
      ]
    })
}

function seconds(value: number | null): string {
  return value === null ? '–' : value.toFixed(1)
}
