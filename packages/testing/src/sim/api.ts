/** An API process without its HTTP: the real append queue and the real snapshot cache, behind their real breakers. */
import { createSnapshotCache, judgeRedis, readAnnouncements, type SnapshotCache } from '@ironsys/cache'
import { type Breaker, createBreaker, defaultThresholds, type Verdict } from '@ironsys/circuit-breaker'
import { redisNames, type SlotDocument, slotDocumentSchema } from '@ironsys/contracts'
import { type CommandProducer, createProducerOn, judgeLog } from '@ironsys/kafka'
import { slotDocument } from '@ironsys/reservations'
import { createWire } from './network.ts'
import { connectRedis, type System } from './system.ts'
import type { Actor } from './timeline.ts'

export interface ApiProcess {
  readonly actor: Actor
  readonly producer: CommandProducer
  /** Reads a slot as `GET /slots/:id` does; the checker sees what it gets. */
  read(slotId: string): Promise<void>
}

/** News from Redis takes this long at most, and is lost or overtaken at times. */
const NEWS_MS = 80
const NEWS_LOST = 0.1

/** To be called in an event of `actor`. */
export function startApi(system: System, actor: Actor): ApiProcess {
  const { timeline, departures } = system
  const cache = openCache(system, actor)
  /** What is known right now. */
  const look = (slotId: string): void => {
    const hit = cache.peek(slotId)
    if (hit !== undefined && 'document' in hit) departures.read(actor.name, slotId, hit, hit.document)
  }
  system.redisData.subscribe((channel, message) => {
    if (channel !== redisNames.snapshots || system.redis.down || timeline.random.chance(NEWS_LOST)) return
    timeline.schedule(actor, timeline.random.integer(0, NEWS_MS), () => {
      const news = readAnnouncements(message, parseDocument) ?? []
      cache.apply(news)
      for (const { key } of news) look(key)
    })
  })
  cache.setLive(true)
  return {
    actor,
    producer: createProducerOn(
      system.log.link(actor),
      undefined,
      undefined,
      openBreaker(system, actor, 'kafka', judgeLog),
    ),
    read: async (slotId) => {
      try {
        const hit = await cache.get(slotId)
        if ('missing' in hit) {
          departures.missed(actor.name, slotId)
          return
        }
        departures.read(actor.name, slotId, hit, hit.document)
        timeline.say(() => `read ${slotId}: ${hit.epoch}.${hit.version}`, actor)
      } catch (error) {
        timeline.say(() => `read ${slotId}: ${error}`, actor)
      }
    },
  }
}

function openCache(system: System, actor: Actor): SnapshotCache<SlotDocument> {
  const { timeline, checker, database } = system
  const postgres = createWire(timeline, actor, system.postgres)
  return createSnapshotCache<SlotDocument>({
    redis: connectRedis(system, actor),
    redisBreaker: openBreaker(system, actor, 'redis', judgeRedis),
    redisKey: redisNames.slot,
    load: (slotId) =>
      postgres('load', () => {
        const slot = database.headers.get(slotId)
        if (slot === undefined) return null
        return { epoch: checker.epochs.get(slotId) ?? 1, version: slot.version, document: slotDocument(slot) }
      }),
    parse: parseDocument,
    toBody: (document) => JSON.stringify(document),
    nowMs: () => Date.now(),
    observe: () => {},
  })
}

function openBreaker(
  { timeline }: System,
  actor: Actor,
  dependency: string,
  judge: (error: unknown) => Verdict,
): Breaker {
  return createBreaker(
    {
      dependency,
      judge,
      nowMs: () => performance.now(),
      changed: (to) => timeline.say(() => `breaker of ${dependency}: ${to}`, actor),
      refused: () => undefined,
    },
    defaultThresholds,
  )
}

function parseDocument(document: unknown): SlotDocument | null {
  return slotDocumentSchema.safeParse(document).data ?? null
}
