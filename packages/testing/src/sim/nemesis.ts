/**
 * What goes wrong, and when. Each seed has a few kinds of fault of its own (swarm testing: Groce et al., ISSTA 2012),
 * so that rare combinations are as likely as common ones.
 */

import type { PartitionId } from '@ironsys/engine'
import type { Fleet } from './fleet.ts'
import { commandTopics } from './log-cluster.ts'
import { calm, type Odds, type Server, type Trap } from './network.ts'
import type { Random } from './random.ts'
import { domainOf, flushRedis, type System } from './system.ts'
import { pressAll } from './uninvited.ts'

const kinds = [
  'worker-killed',
  'worker-frozen',
  'worker-replaced',
  'api-killed',
  'rebalance',
  'kafka-killed',
  'postgres-killed',
  'redis-killed',
  'server-frozen',
  'redis-flushed',
  'kafka-connections-cut',
  'postgres-connections-cut',
  'kafka-short-of-replicas',
  'kafka-storm',
  'postgres-storm',
  'redis-storm',
  'commit-trap',
  'steps-trap',
  'produce-trap',
  'snapshot-trap',
  'broker-clock',
  'wakes-lost',
  'epoch-raised',
  'wrong-partition-count',
] as const
export type FaultKind = (typeof kinds)[number] | 'log-cut' | 'false-acknowledgement'

/** Where most seeds should have been. */
const often = new Set<FaultKind>(['commit-trap', 'steps-trap', 'produce-trap', 'wakes-lost'])
/** A lost answer is what code gets wrong most easily. */
const trapEffects: readonly [Trap['effect'], ...Trap['effect'][]] = [
  'answer-lost',
  'answer-lost',
  'answer-lost',
  'late',
  'caller-dies-before',
  'caller-dies-after',
]
/** The longest is longer than any deadline of the producer. */
const SERVER_DOWN_MS = [500, 3000, 12_000] as const
const FROZEN_MS = [200, 9000] as const
const STORM_MS = [300, 5000] as const
const BETWEEN_MS = [30, 900] as const
type Range = readonly [number, number]
/** A little wrong, or so far ahead that bookings are asked what becomes of their holds. */
const BROKER_SKEW_MS: readonly [Range, ...Range[]] = [
  [-3000, 3000],
  [300_000, 400_000],
]

export class Nemesis {
  readonly #system: System
  readonly #fleet: Fleet
  readonly #kinds: readonly FaultKind[]
  /** How many times slower than usual it strikes. */
  readonly #pace: number
  /** How often each kind struck. */
  readonly strikes = new Map<FaultKind, number>()
  /** Partitions that must halt, as `topic/partition`: what was applied is not in the log any more. */
  readonly mustHalt = new Set<string>()

  constructor(system: System, fleet: Fleet, random: Random) {
    this.#system = system
    this.#fleet = fleet
    const share = random.pick([0.1, 0.25, 0.5])
    const chosen: FaultKind[] = kinds.filter((kind) => random.chance(often.has(kind) ? 0.7 : share))
    if (random.chance(0.2)) chosen.push('log-cut')
    if (random.chance(0.05)) chosen.push('false-acknowledgement')
    this.#kinds = chosen
    this.#pace = random.pick([1, 3])
  }

  /** Strikes again and again until `untilMs` of virtual time. */
  start(untilMs: number): void {
    const { timeline } = this.#system
    timeline.schedule(timeline.world, timeline.random.integer(...BETWEEN_MS) * this.#pace, () => {
      if (timeline.nowMs >= untilMs) return
      const kind = timeline.random.pickAny(this.#kinds)
      if (kind !== undefined) {
        timeline.say(() => `FAULT ${kind}`)
        this.strikes.set(kind, (this.strikes.get(kind) ?? 0) + 1)
        this.#striking()[kind]()
      }
      this.start(untilMs)
    })
  }

  /** Everything runs again; what is broken for good stays so. `release`: what all workers must be able to read. */
  heal(release: 2 | 3): void {
    const { timeline, log, postgres, redis } = this.#system
    for (const server of [log.server, postgres, redis]) {
      server.odds = calm
      server.trap = null
      server.start()
      timeline.thaw(server.actor)
    }
    log.lieProbability = 0
    log.shortOfReplicas = 0
    // When nobody else asks a wake matters most.
    log.wakesToLose = this.strikes.has('wakes-lost') ? 1 : 0
    for (const process of [...this.#fleet.workers(), ...this.#fleet.apis()]) timeline.thaw(process.actor)
    this.#fleet.repair(release)
  }

  /** What each kind does. */
  #striking(): Readonly<Record<FaultKind, () => void>> {
    const { timeline, log, postgres, redis, partitions } = this.#system
    const { random } = timeline
    const anyTopic = () => random.pick(commandTopics)
    const anyPartition = () => ({ topic: anyTopic(), partition: random.integer(0, partitions - 1) })
    return {
      'worker-killed': () => this.#killWorker(),
      'worker-frozen': () => this.#freezeProcess(),
      'worker-replaced': () => this.#replaceWorker(),
      'api-killed': () => this.#killApi(),
      rebalance: () => log.group(anyTopic()).rebalance(),
      'kafka-killed': () => this.#killServer(log.server),
      'postgres-killed': () => this.#killServer(postgres),
      'redis-killed': () =>
        this.#killServer(redis, random.chance(0.5) ? () => flushRedis(this.#system) : undefined),
      'server-frozen': () => this.#freezeServer(random.pick([log.server, postgres, redis])),
      'redis-flushed': () => flushRedis(this.#system),
      'kafka-connections-cut': () => log.breakConnections(),
      'postgres-connections-cut': () => postgres.cutConnections(),
      'kafka-short-of-replicas': () => this.#loseReplicas(),
      'kafka-storm': () => this.#storm(log.server),
      'postgres-storm': () => this.#storm(postgres),
      'redis-storm': () => this.#storm(redis),
      'commit-trap': () => this.#setTrap(postgres, 'commit'),
      'steps-trap': () => {
        // It is there when whoever goes on has read how far the partition is, and not yet what is due.
        postgres.trap = { request: 'commit-steps', effect: 'late', until: 'open' }
      },
      'produce-trap': () => this.#setTrap(log.server, 'produce'),
      'snapshot-trap': () => {
        redis.trap = { request: 'put-snapshot', effect: 'late' }
      },
      'broker-clock': () => {
        log.clockSkewMs = random.integer(...random.pick(BROKER_SKEW_MS))
        // All that is held may be over at once.
        pressAll(this.#system)
      },
      'epoch-raised': () => this.#fleet.raiseEpoch(anyPartition()),
      'wrong-partition-count': () => this.#fleet.startWorker({ partitionCount: partitions + 1 }),
      'wakes-lost': () => {
        log.wakesToLose = random.integer(1, 6)
      },
      'log-cut': () => this.#cutLog(anyPartition()),
      'false-acknowledgement': () => {
        log.lieProbability = 0.1
      },
    }
  }

  /** Whoever sends the next request of this kind dies over it, or does not learn its answer. */
  #setTrap(server: Server, request: string): void {
    const { timeline } = this.#system
    const { random } = timeline
    const effect = random.pick(trapEffects)
    // One that goes down over it is not there for those who would ask again how it went.
    const dies = effect === 'answer-lost' && random.chance(0.5)
    server.trap = dies ? { request, effect, afterwards: () => this.#killServer(server) } : { request, effect }
    timeline.say(() => `the next ${request}: ${effect}${dies ? ', and the server is down' : ''}`)
    if (!effect.startsWith('caller-dies')) return
    this.#fleet.startWorker()
    this.#fleet.startApi()
  }

  #replaceWorker(): void {
    const worker = this.#system.timeline.random.pickAny(this.#fleet.workers())
    if (worker !== undefined) this.#fleet.replace(worker)
  }

  #killApi(): void {
    const api = this.#system.timeline.random.pickAny(this.#fleet.apis())
    if (api !== undefined) this.#fleet.kill(api)
    this.#fleet.startApi()
  }

  #killWorker(): void {
    const { timeline } = this.#system
    const worker = timeline.random.pickAny(this.#fleet.workers())
    if (worker !== undefined) this.#fleet.kill(worker)
    this.#fleet.startWorker()
  }

  #freezeProcess(): void {
    const { timeline } = this.#system
    const { random, world } = timeline
    const process = random.pickAny([...this.#fleet.workers(), ...this.#fleet.apis()])
    if (process === undefined || process.actor.state !== 'running') return
    process.actor.state = 'frozen'
    timeline.say(() => `${process.actor.name} is frozen`)
    timeline.schedule(world, random.integer(...FROZEN_MS), () => timeline.thaw(process.actor))
  }

  #loseReplicas(): void {
    const { timeline, log } = this.#system
    log.shortOfReplicas = 0.7
    timeline.schedule(timeline.world, timeline.random.integer(...STORM_MS), () => {
      log.shortOfReplicas = 0
    })
  }

  #killServer(server: Server, meanwhile?: () => void): void {
    const { timeline } = this.#system
    const downMs = timeline.random.integer(100, timeline.random.pick(SERVER_DOWN_MS))
    timeline.say(() => `${server.settings.name} is down for ${downMs} ms`)
    server.kill(timeline)
    if (server === this.#system.log.server) this.#system.log.breakConnections()
    meanwhile?.()
    timeline.schedule(timeline.world, downMs, () => {
      timeline.say(() => `${server.settings.name} is up again`)
      server.start()
    })
  }

  #freezeServer(server: Server): void {
    const { timeline } = this.#system
    if (server.down) return
    const life = server.actor
    life.state = 'frozen'
    timeline.say(() => `${server.settings.name} is frozen`)
    timeline.schedule(timeline.world, timeline.random.integer(...FROZEN_MS), () => timeline.thaw(life))
  }

  #storm(server: Server): void {
    const { timeline } = this.#system
    const { random } = timeline
    const often = () => (random.chance(0.5) ? random.fraction() * 0.3 : 0)
    const odds: Odds = { refused: often(), requestLost: often(), answerLost: often(), slow: often() }
    server.odds = odds
    timeline.say(() => `storm over ${server.settings.name}: ${JSON.stringify(odds)}`)
    timeline.schedule(timeline.world, random.integer(...STORM_MS), () => {
      server.odds = calm
    })
  }

  /** A leader that was behind takes over: the newest records are gone, and others come in their place. */
  #cutLog(id: PartitionId): void {
    const { timeline, log } = this.#system
    const { topic, partition } = id
    const { checks, database } = domainOf(this.#system, topic)
    const records = log.log(topic, partition)
    if (records.high === 0) return
    const cutAt = Math.max(0, records.high - timeline.random.integer(1, 6))
    records.truncate(cutAt)
    checks.history(partition).cut(cutAt)
    log.breakConnections()
    if (cutAt < database.progress(id).nextOffset) this.mustHalt.add(`${topic}/${partition}`)
    timeline.say(() => `partition ${partition} of ${topic} has lost its records from ${cutAt} on`)
  }
}
