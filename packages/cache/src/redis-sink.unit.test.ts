/** The order in which a flush goes to Redis: nothing is told of a snapshot before its write is answered (K4). */
import { redisNames } from '@ironsys/contracts'
import { createMemoryRedis, directWire } from '@ironsys/testing/twins'
import { expect, test, vi } from 'vitest'
import { createRedisSink } from './index.ts'

test('snapshots are known to be written before anybody is told of anything', async () => {
  const requests: string[] = []
  const gate = Promise.withResolvers<void>()
  const redis = createMemoryRedis({ nowMs: () => 1000 }).connect(async (request, work) => {
    requests.push(request)
    if (request === 'put-snapshot') await gate.promise
    return directWire(request, work)
  })
  const sink = createRedisSink<{ version: number }, string>({
    redis,
    snapshots: { redisKey: redisNames.slot, toDocument: () => ({}) },
    nowMs: () => 1000,
    observe: { dropped: () => {}, replied: () => {} },
  })
  sink.committed({
    id: { topic: 't', partition: 0 },
    epoch: 1,
    nextOffset: 1,
    headers: new Map(['a', 'b'].map((key) => [key, { version: 1 }])),
    removed: new Map([['b', 9]]),
    due: new Map(),
    replies: [{ to: 'i/1', outcome: 'yes' }],
    decided: 1,
    firstTimeMs: 0,
    outcomes: new Map(),
    appendedAt: new Map(),
  })
  const writes = ['remove-snapshot', 'put-snapshot', 'put-snapshot']
  await vi.waitFor(() => expect(requests.toSorted()).toEqual(writes.toSorted()))
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(requests).toHaveLength(3)
  gate.resolve()
  await sink.close(10_000)
  // The snapshots' announcement, progress and its announcement, the reply.
  expect(requests.slice(3)).toEqual(['publish', 'set', 'publish', 'publish'])
  expect(requests.indexOf('remove-snapshot')).toBeLessThan(requests.lastIndexOf('put-snapshot'))
})
