/** One seed, from the first start to the verdict. */
import { topics } from '@ironsys/contracts'
import type { Wire } from '../twins/index.ts'
import { Clients } from './clients.ts'
import { Fleet } from './fleet.ts'
import { type FaultKind, Nemesis } from './nemesis.ts'
import { createRandom } from './random.ts'
import { createSystem, type System } from './system.ts'
import { Timeline } from './timeline.ts'
import { checkAnswered, checkEnd, progressOf, readAll, unfinished } from './verdict.ts'
import type { Violation } from './violations.ts'
import { useTimeline } from './virtual-globals.ts'
import { askOnceMore, startWorkload } from './workload.ts'

export interface SimulationResult {
  readonly seed: number
  /** Null when every invariant held. */
  readonly violation: Violation | null
  readonly events: number
  readonly accepted: number
  /** Virtual time that passed, milliseconds. */
  readonly virtualMs: number
  readonly strikes: ReadonlyMap<FaultKind, number>
}

/**
 * After everything was healed, all must be decided within this, virtual milliseconds. Long, for the sake of wakes: of one
 * that was lost, and then of another, nothing is heard for up to a minute each (packages/engine/src/alarm.ts).
 */
const RECOVERY_MS = 150_000
/** Longer than any freshness window of the cache: after it readers must see the last version. */
const READERS_SETTLE_MS = 8000
const READ_MS = 1000
/** How often the world looks whether it is over, virtual milliseconds. */
const LOOK_MS = 100

/**
 * Runs one seed. The same seed gives the same run, event by event; `trace` hears each. Needs `installVirtualGlobals`.
 */
export async function simulate(
  seed: number,
  trace: ((line: string) => void) | null,
): Promise<SimulationResult> {
  const random = createRandom(seed)
  const timeline = new Timeline(random, trace)
  useTimeline(timeline)
  try {
    const startedMs = timeline.nowMs
    const system = createSystem(timeline, random.integer(1, 4))
    const run = start(system, seed)
    const violation = await untilVerdict(system, run)
    return {
      seed,
      violation,
      events: timeline.steps,
      accepted: run.clients.accepted.length,
      virtualMs: timeline.nowMs - startedMs,
      strikes: run.nemesis.strikes,
    }
  } finally {
    useTimeline(null)
  }
}

/** Without a way to go. */
const atOnce: Wire = async (_, work) => work()

export interface Run {
  readonly fleet: Fleet
  readonly clients: Clients
  readonly nemesis: Nemesis
  /** When the nemesis ends and healing begins, virtual time. */
  readonly healMs: number
  readonly slotIds: readonly string[]
  /** What workers must be able to read in the end. */
  readonly release: 2 | 3
}

function start(system: System, seed: number): Run {
  const { timeline, database, bookings, log, partitions } = system
  const { random } = timeline
  // The first start has been: no worker with another partition count can be the first to say what it is.
  const identity = { clusterId: log.clusterId, partitionCount: partitions }
  for (let partition = 0; partition < partitions; partition++) {
    void database.connect(identity, atOnce).open({ topic: topics.reservationCommands, partition })
    void bookings.connect(identity, atOnce).open({ topic: topics.bookingCommands, partition })
  }
  const fleet = new Fleet(system)
  const clients = new Clients(system, () => fleet.apis())
  const nemesis = new Nemesis(system, fleet, random)
  for (let count = random.integer(1, 3); count > 0; count--) fleet.startWorker()
  for (let count = random.integer(1, 2); count > 0; count--) fleet.startApi()
  const lengthMs = random.integer(2000, 15_000)
  const newer = random.chance(0.15)
  const slotIds = startWorkload(system, clients, () => fleet.apis(), {
    seed,
    slots: random.integer(1, 4),
    intents: random.integer(20, 250),
    lengthMs,
    reads: random.integer(10, 150),
    strays: random.chance(0.5) ? random.integer(1, 12) : 0,
    newer,
  })
  const healMs = timeline.nowMs + lengthMs
  nemesis.start(healMs)
  return { fleet, clients, nemesis, healMs, slotIds, release: newer ? 3 : 2 }
}

async function untilVerdict(system: System, run: Run): Promise<Violation | null> {
  const { timeline, findings } = system
  const { nemesis, fleet } = run
  if (!(await runUntil(system, run, () => timeline.nowMs >= run.healMs))) return findings.first ?? null
  timeline.say(() => 'HEAL')
  nemesis.heal(run.release)
  if (!(await untilAtRest(system, run))) return findings.first ?? null
  system.log.wakesToLose = 0
  // All works again, so it must work for whoever comes now.
  const asked = run.clients.accepted.length
  askOnceMore(run.clients, run.slotIds)
  if (!(await untilAtRest(system, run))) return findings.first ?? null
  const reached = run.clients.accepted.slice(asked).map((accepted) => progressOf(system, accepted))
  const restMs = timeline.nowMs
  await runUntil(system, run, () => timeline.nowMs >= restMs + READERS_SETTLE_MS)
  checkAnswered(system, run, run.clients.accepted.slice(asked), reached)
  // The first read may still get what was known and look behind it (stale-while-revalidate); the second may not.
  for (let reads = 0; reads < 2; reads++) {
    readAll(system, fleet)
    const readMs = timeline.nowMs + READ_MS
    await runUntil(system, run, () => timeline.nowMs >= readMs)
  }
  checkEnd(system, run, restMs)
  return findings.first ?? null
}

/** False when it does not come to rest in time, or an invariant broke. */
async function untilAtRest(system: System, run: Run): Promise<boolean> {
  const { timeline, findings } = system
  const deadlineMs = timeline.nowMs + RECOVERY_MS
  await runUntil(system, run, () => timeline.nowMs >= deadlineMs || unfinished(system, run).length === 0)
  if (findings.first === undefined) {
    for (const what of unfinished(system, run)) findings.add('liveness', what)
  }
  return findings.first === undefined
}

/** Runs on until `over` says so, which is asked now and then. False when an invariant broke before. */
async function runUntil({ timeline, findings }: System, { fleet }: Run, over: () => boolean) {
  let done = false
  const look = (): void => {
    fleet.supervise()
    done = over()
    if (!done) timeline.schedule(timeline.world, LOOK_MS, look)
  }
  timeline.schedule(timeline.world, 0, look)
  while (!done && findings.first === undefined) await timeline.step()
  return findings.first === undefined
}
