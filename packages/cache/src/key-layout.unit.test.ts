/** In a cluster, what goes together lies at one node, and items are spread over all of them. */
import { randomUUID } from 'node:crypto'
import { redisNames } from '@ironsys/contracts'
import { createMemoryRedis } from '@ironsys/testing/twins'
import { expect, test } from 'vitest'
import { createRedisSink, createSnapshotCache } from './index.ts'

const HASH_SLOTS = 16_384
const NODES = 3

/** As the cluster specification has it: CRC16 (XMODEM) of what stands between the first braces, else of it all. */
function slotOf(key: string): number {
  const [, tag = key] = /\{([^}]+)\}/.exec(key) ?? []
  return crc16(Buffer.from(tag)) % HASH_SLOTS
}

function crc16(bytes: Buffer): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ ((crc & 0x8000) === 0 ? 0 : 0x1021)) & 0xffff
  }
  return crc
}

/** The keys that a cache and a sink have used, in the order of their first use. */
async function keysUsedBy(
  use: (redis: ReturnType<typeof recording>['redis']) => Promise<unknown>,
): Promise<string[]> {
  const { redis, keys } = recording()
  await use(redis)
  return [...keys]
}

function recording() {
  const keys = new Set<string>()
  const memory = createMemoryRedis({ nowMs: () => 1000 }).connect()
  const redis = new Proxy(memory, {
    get(target, name: keyof typeof memory) {
      const command = target[name]
      return (key: string, ...args: unknown[]) => {
        if (name !== 'publish') keys.add(key)
        return Reflect.apply(command, target, [key, ...args])
      }
    },
  })
  return { redis, keys }
}

test('the hash is the one of the specification', () => {
  expect(crc16(Buffer.from('123456789'))).toBe(0x31c3)
  expect(slotOf('{user1000}.following')).toBe(slotOf('user1000'))
})

test('every key of an item is in one hash slot', async () => {
  const id = randomUUID()
  const keys = await keysUsedBy(async (redis) => {
    const cache = createSnapshotCache<string>({
      redis,
      redisKey: redisNames.slot,
      load: async () => ({ epoch: 1, version: 1, document: 'd' }),
      parse: () => null,
      toBody: (document) => document,
      nowMs: () => 1000,
      observe: () => {},
    })
    await cache.get(id)
  })
  expect(keys).toEqual([redisNames.slot(id), `${redisNames.slot(id)}:load`])
  expect(new Set(keys.map(slotOf)).size).toBe(1)
  expect(slotOf(redisNames.slot(id))).toBe(slotOf(`slot:${id}`))
})

test('what a batch writes is spread over the nodes by item and by partition', async () => {
  const ids = Array.from({ length: 300 }, () => randomUUID())
  const keys = await keysUsedBy(async (redis) => {
    const sink = createRedisSink<{ version: number }, string>({
      redis,
      snapshots: { redisKey: redisNames.slot, toDocument: () => ({}) },
      nowMs: () => 1000,
      observe: { dropped: () => {}, replied: () => {} },
    })
    sink.committed({
      id: { topic: 't', partition: 3 },
      epoch: 1,
      nextOffset: 10,
      headers: new Map(ids.map((id) => [id, { version: 1 }])),
      removed: new Map(),
      due: new Map(),
      replies: [],
      decided: 1,
      firstTimeMs: 990,
      outcomes: new Map(),
      appendedAt: new Map(),
    })
    await sink.close(10_000)
  })
  expect(keys).toEqual([...ids.map(redisNames.slot), redisNames.progress('t', 3)])
  const nodes = keys.map((key) => Math.floor((slotOf(key) * NODES) / HASH_SLOTS))
  for (let node = 0; node < NODES; node++) {
    expect(nodes.filter((each) => each === node).length).toBeGreaterThan(50)
  }
})
