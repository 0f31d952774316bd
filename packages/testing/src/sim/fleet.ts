/** The processes of a simulation: started, killed, frozen, replaced. A restart is a new process with a new name. */

import type { PartitionId } from '@ironsys/engine'
import { type ApiProcess, startApi } from './api.ts'
import { domainOf, type System } from './system.ts'
import type { Actor } from './timeline.ts'
import { startWorker, type WorkerProcess, type WorkerSettings } from './worker.ts'

/** How long a process takes to start. */
const START_MS = [100, 1200] as const
/** How wrong a clock is: most a little, some much. */
const CLOCK_SKEW_MS = [500, 500, 500, 120_000] as const

export type NextWorker = Partial<Pick<WorkerSettings, 'schemaVersion' | 'partitionCount'>>

export class Fleet {
  readonly #system: System
  #workers: WorkerProcess[] = []
  /** Workers that are about to run. */
  readonly #starting = new Map<Actor, WorkerSettings>()
  #apis: ApiProcess[] = []
  #started = 0
  /** Of workers that are started from now on. */
  #release: 2 | 3 = 2

  constructor(system: System) {
    this.#system = system
  }

  /** Those that were not killed, frozen ones too. */
  workers(): readonly WorkerProcess[] {
    this.#workers = this.#workers.filter(({ actor }) => actor.state !== 'dead')
    return this.#workers
  }

  apis(): readonly ApiProcess[] {
    this.#apis = this.#apis.filter(({ actor }) => actor.state !== 'dead')
    return this.#apis
  }

  startWorker(different: NextWorker = {}): void {
    const { timeline, partitions } = this.#system
    const { random } = timeline
    const actor = this.#newActor('worker')
    const settings: WorkerSettings = {
      schemaVersion: this.#release,
      partitionCount: partitions,
      batchRecordsMax: random.pick([1, 2, 4, 8, 50]),
      batchEventsMax: random.pick([1, 2, 5, 1000, 1000]),
      cachedKeysMax: random.pick([1, 2, 100]),
      cachedRowsMax: random.pick([1, 3, 100]),
      firstPageRowsMax: random.pick([1, 3, 16]),
      ...different,
    }
    this.#starting.set(actor, settings)
    timeline.schedule(actor, random.integer(...START_MS), () => {
      timeline.say(() => `starts, clock ${actor.clockSkewMs} ms ahead: ${JSON.stringify(settings)}`)
      this.#starting.delete(actor)
      this.#workers.push(startWorker(this.#system, actor, settings))
    })
  }

  startApi(): void {
    const { timeline } = this.#system
    const actor = this.#newActor('api')
    timeline.schedule(actor, timeline.random.integer(...START_MS), () => {
      this.#apis.push(startApi(this.#system, actor))
    })
  }

  kill(process: WorkerProcess | ApiProcess): void {
    const { timeline } = this.#system
    timeline.say(() => `${process.actor.name} is killed`, timeline.world)
    timeline.kill(process.actor)
  }

  /** Stops in good order and starts its successor, as a rolling deploy does. */
  replace(worker: WorkerProcess): void {
    const { timeline } = this.#system
    timeline.schedule(worker.actor, 0, () => {
      timeline.say(() => 'stops in good order')
      worker.stop().then(
        () => this.kill(worker),
        (error: unknown) => {
          this.#system.findings.add('liveness', `${worker.actor.name} could not stop: ${error}`)
        },
      )
    })
    this.startWorker()
  }

  /** The operators' last word: all workers are rightly configured and of this release. Others are left alone. */
  repair(release: 2 | 3): void {
    const { timeline, partitions } = this.#system
    this.#release = release
    const isSound = ({ schemaVersion, partitionCount }: WorkerSettings) =>
      schemaVersion >= release && partitionCount === partitions
    for (const [actor, settings] of this.#starting) {
      if (isSound(settings)) continue
      timeline.kill(actor)
      this.#starting.delete(actor)
    }
    for (const worker of this.workers()) {
      if (worker.settings.partitionCount !== partitions) this.kill(worker)
      else if (!isSound(worker.settings)) this.replace(worker)
    }
    if (this.workers().length + this.#starting.size === 0) this.startWorker()
    if (this.apis().length === 0) this.startApi()
  }

  /** What a supervisor does: a process that has given up is started again. */
  supervise(): void {
    for (const worker of this.workers()) {
      if (!worker.hasFailed()) continue
      this.kill(worker)
      this.startWorker()
    }
  }

  /** True when a writer of the partition has stopped and asks for a human. */
  isHalted({ topic, partition }: PartitionId): boolean {
    return this.workers().some(({ modes }) => modes.get(`${topic}/${partition}`) === 'halted')
  }

  /** An operator's repair: whoever writes the partition is fenced. */
  raiseEpoch(id: PartitionId): void {
    const { database, checks } = domainOf(this.#system, id.topic)
    const epoch = database.raiseEpoch(id)
    checks.raised(id.partition, epoch)
    this.#system.timeline.say(() => `partition ${id.partition} of ${id.topic} is in epoch ${epoch} now`)
  }

  #newActor(kind: string): Actor {
    const { random } = this.#system.timeline
    const someSkew = (mostMs: number) => random.integer(-mostMs, mostMs)
    const clockSkewMs = random.chance(0.5) ? 0 : someSkew(random.pick(CLOCK_SKEW_MS))
    return { name: `${kind}-${this.#started++}`, clockSkewMs, state: 'running' }
  }
}
