import { mintId, partitionOfId } from '@ironsys/contracts'
import { describe, expect, test, vi } from 'vitest'
import { createCursorCipher, type LogPlace } from './cursor.ts'
import { healthDocument } from './health.ts'
import { bodyHash, createIdentity } from './identity.ts'
import { waitSecondsOf } from './prefer.ts'
import { createProgressView, progressLimits } from './progress.ts'
import { steadyNowMs } from './times.ts'
import { createWaiting, waitingLimits } from './waiting.ts'

const SLOT = '11111111-2222-4333-8444-555555555555'

test('the steady clock tells Unix time in whole milliseconds and does not follow a clock that is set', () => {
  const before = steadyNowMs()
  expect(Number.isSafeInteger(before)).toBe(true)
  expect(Math.abs(before - Date.now())).toBeLessThan(3_600_000)
  vi.useFakeTimers({ toFake: ['Date'], now: 1000 })
  expect(steadyNowMs()).toBeGreaterThanOrEqual(before)
  vi.useRealTimers()
})

test.each([
  [undefined, null],
  ['wait=10', 10],
  ['WAIT = 10', 10],
  ['respond-async, wait=10', 10],
  ['wait="7"', 7],
  ['wait=7; x=1', 7],
  ['wait=3, wait=9', 3],
  ['wait=99', 30],
  ['wait=0', null],
  ['wait=-1', null],
  ['wait=1.5', null],
  ['wait=abc', null],
  ['wait', null],
  ['nowait=5', null],
])('Prefer %j asks for %j seconds', (header, seconds) => {
  expect(waitSecondsOf(header)).toBe(seconds)
})

describe('cursors', () => {
  const place: LogPlace = {
    topic: 'bookings.commands',
    partition: 11,
    offset: 2 ** 40 + 5,
    timeMs: 1_780_000_000_123,
    kind: 'change',
    bodyHash: 'a1'.repeat(8),
  }
  const key = { kid: 'a', key: Buffer.alloc(32, 1) }

  test('open to what was sealed, for the same id, caller and log only', () => {
    const cipher = createCursorCipher([key], 'log-1')
    const cursor = cipher.seal(place, 'id', 'caller')
    expect(cursor).toMatch(/^a[\w-]{68}$/)
    expect(cipher.open(cursor, 'id', 'caller')).toEqual(place)
    expect(cipher.open(cursor, 'id', 'other')).toBeNull()
    expect(cipher.open(cursor, 'id|', 'caller')).toBeNull()
    expect(createCursorCipher([key], 'log-2').open(cursor, 'id', 'caller')).toBeNull()
  })

  test('no bit can be changed, and no two are alike', () => {
    const cipher = createCursorCipher([key], 'log-1')
    const cursor = cipher.seal(place, 'id', '')
    const bytes = Buffer.from(cursor.slice(1), 'base64url')
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(cipher.open(`a${changed.toString('base64url')}`, 'id', '')).toBeNull()
    }
    const seals = new Set(Array.from({ length: 1000 }, () => cipher.seal(place, 'id', '')))
    expect(seals.size).toBe(1000)
  })
})

describe('ids', () => {
  const identity = createIdentity(Buffer.alloc(32, 7))
  const scope = { caller: 'u', endpoint: 'POST /reservations', partitionKey: SLOT }

  test('follow from each part of a key', () => {
    const idOf = (change: Partial<typeof scope>, key = 'k', index = 0) =>
      identity.commandId({ ...scope, ...change }, key, index, 0).id
    const ids = [idOf({}), idOf({ caller: 'v' }), idOf({ endpoint: 'x' }), idOf({}, 'l'), idOf({}, 'k', 1)]
    expect(new Set(ids).size).toBe(5)
    expect(idOf({})).toBe(ids[0])
    for (const id of ids) expect(partitionOfId(id, 12)).toBe(partitionOfId(mintId(SLOT, 0), 12))
  })

  test('a retry key stands for its id in its own scope; a forged one is only a key', () => {
    const { id } = identity.commandId(scope, null, 0, 1)
    const key = identity.retryKey(scope, id)
    expect(identity.commandId(scope, key, 0, 2)).toEqual({ id, keyed: false })
    expect(identity.commandId({ ...scope, caller: 'v' }, key, 0, 2).id).not.toBe(id)
    const forged = identity.commandId(scope, `retry.${id}.${'A'.repeat(22)}`, 0, 2)
    expect([forged.keyed, forged.id === id]).toEqual([true, false])
  })

  test('a hash does not depend on the order of fields, nor on those that are absent', () => {
    expect(bodyHash({ a: 1, b: { d: [1, null], c: 2 } })).toBe(
      bodyHash({ b: { c: 2, d: [1, null] }, a: 1, e: undefined }),
    )
    expect(bodyHash({ a: [1, 2] })).not.toBe(bodyHash({ a: [2, 1] }))
    expect(bodyHash({})).toMatch(/^[0-9a-f]{32}$/)
  })
})

describe('progress', () => {
  const TOPIC = 'reservations.commands'
  const at = (partition: number, offset: number) => ({ topic: TOPIC, partition, offset })
  function createView() {
    const world = { nowMs: 0, stored: 0, reads: 0 }
    const view = createProgressView({
      topics: [TOPIC, 'other'],
      partitions: 2,
      nowMs: () => world.nowMs,
      read: async () => {
        world.reads++
        return { nextOffset: world.stored }
      },
    })
    return { world, view }
  }

  test('positions and estimates; never back', () => {
    const { view } = createView()
    view.setLive(true)
    view.apply({ topic: TOPIC, partition: 1, nextOffset: 100, perSecond: 5000 })
    view.apply({ topic: TOPIC, partition: 1, nextOffset: 90, perSecond: 5000 })
    expect(view.queue(at(1, 149))).toEqual({ position: 49, eta_ms: 10 })
    expect(view.queue(at(1, 3))).toEqual({ position: 0, eta_ms: 1 })
    expect(view.queue(at(7, 3))).toEqual({ position: null, eta_ms: null })
    expect(view.queue({ ...at(1, 149), topic: 'other' })).toEqual({ position: 149, eta_ms: 150 })
  })

  test('while it is announced the store is left alone; after a silence it is asked', async () => {
    const { world, view } = createView()
    view.setLive(true)
    view.apply({ topic: TOPIC, partition: 0, nextOffset: 5, perSecond: 1 })
    expect(await view.passed(at(0, 5))).toBe(false)
    expect(world.reads).toBe(0)
    world.nowMs += progressLimits.silenceMs
    world.stored = 6
    expect(await view.passed(at(0, 5))).toBe(true)
    expect(world.reads).toBe(1)
  })

  test('without announcements the store is asked, by one reader at a time and not all the time', async () => {
    const { world, view } = createView()
    await Promise.all([view.passed(at(0, 5)), view.passed(at(0, 5)), view.passed(at(0, 6))])
    await view.passed(at(0, 5))
    expect(world.reads).toBe(1)
    world.nowMs += progressLimits.storeReadMs
    world.stored = 6
    expect(await view.passed(at(0, 5))).toBe(true)
  })

  test('a wait ends with the announcement, with its time, or with the client', async () => {
    const { view } = createView()
    view.setLive(true)
    view.apply({ topic: TOPIC, partition: 0, nextOffset: 5, perSecond: 1 })
    const gone = new AbortController()
    const [passes, leaves] = [
      view.waitPassed(at(0, 5), 5000, new AbortController().signal),
      view.waitPassed(at(0, 9), 5000, gone.signal),
    ]
    expect(await view.waitPassed(at(0, 9), 0, gone.signal)).toBe(false)
    view.apply({ topic: TOPIC, partition: 0, nextOffset: 6, perSecond: 1 })
    gone.abort()
    expect([await passes, await leaves]).toEqual([true, false])
  })

  test('the lag is that of the partition that is furthest behind, and unknown after a long silence', async () => {
    const { world, view } = createView()
    view.setLive(true)
    for (const [partition, perSecond] of [2000, 10].entries())
      view.apply({ topic: TOPIC, partition, nextOffset: 100, perSecond })
    expect(view.lagMs()).toBe(0)
    view.accepted(at(0, 10_099))
    // Its published rate is only what it had to.
    view.accepted(at(1, 2099))
    view.accepted(at(1, 50))
    expect(view.lagMs()).toBe(5000)
    view.apply({ topic: TOPIC, partition: 0, nextOffset: 10_100, perSecond: 2000 })
    expect(view.lagMs()).toBe(2000)
    // Silent, it is looked up; a store that says where it stands is as good as an announcement.
    world.nowMs += progressLimits.lagKnownMs
    world.stored = 1100
    expect(view.lagMs()).toBe(0)
    await vi.waitFor(() => expect(view.lagMs()).toBe(1000))
  })
})

describe('waiting', () => {
  const never = new AbortController().signal
  const ok = { code: 'ok' } as const

  test('each request gets the reply to itself, even one that came first, and nobody gets a stray one', async () => {
    const results: string[] = []
    const waiting = createWaiting('i', (result) => results.push(result))
    waiting.setLive(true)
    const [first, second] = [waiting.open(), waiting.open()]
    const reused = { code: 'idempotency-key-reused' } as const
    waiting.deliver(second?.replyTo ?? '', reused)
    waiting.deliver(first?.replyTo ?? '', ok)
    waiting.deliver('i/of-an-earlier-life', ok)
    expect(await first?.outcome(1000, async () => null, never)).toEqual(ok)
    expect(await second?.outcome(1000, async () => null, never)).toEqual(reused)
    expect([waiting.size(), results]).toEqual([0, ['delivered', 'delivered', 'unclaimed']])
  })

  test('without replies the store is asked again until it knows, faults and all', async () => {
    vi.useFakeTimers()
    const waiting = createWaiting('i', () => undefined)
    const asked = vi
      .fn(async () => ok)
      .mockRejectedValueOnce(new Error('down'))
      .mockResolvedValueOnce(null as never)
    const outcome = waiting.open()?.outcome(5000, asked, never)
    await vi.advanceTimersByTimeAsync(1000)
    expect(await outcome).toEqual(ok)
    expect(asked).toHaveBeenCalledTimes(3)
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  test('a store that is out is not asked, and found again when it is back', async () => {
    vi.useFakeTimers()
    let mayAsk = false
    const waiting = createWaiting(
      'i',
      () => undefined,
      () => mayAsk,
    )
    const asked = vi.fn(async () => ok)
    const outcome = waiting.open()?.outcome(20_000, asked, never)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(asked).not.toHaveBeenCalled()
    mayAsk = true
    await vi.advanceTimersByTimeAsync(waitingLimits.longestCheckMs)
    expect(await outcome).toEqual(ok)
    expect(asked).toHaveBeenCalledTimes(1)
    vi.useRealTimers()
  })

  test('who leaves, or gives up, leaves nothing behind; it is bounded', async () => {
    const waiting = createWaiting('i', () => undefined)
    const gone = new AbortController()
    const outcome = waiting.open()?.outcome(5000, async () => null, gone.signal)
    gone.abort()
    expect(await outcome).toBeNull()
    waiting.open()?.close()
    expect(waiting.size()).toBe(0)
    for (let index = 0; index < waitingLimits.waiters; index++) waiting.open()
    expect(waiting.open()).toBeNull()
  })
})

test.each([
  ['up', 'up', 'up', false, 'up', 'up', 'up'],
  ['up', 'up', 'down', false, 'degraded', 'up', 'down'],
  ['up', 'down', 'up', false, 'degraded', 'up', 'up'],
  ['down', 'up', 'up', false, 'degraded', 'degraded', 'up'],
  ['down', 'down', 'down', false, 'down', 'down', 'down'],
  ['up', 'up', 'up', true, 'down', 'up', 'up'],
] as const)(
  'health: postgres %s, redis %s, kafka %s, draining %s',
  (postgres, redis, kafka, draining, status, reads, writes) => {
    const document = healthDocument({
      dependencies: () => ({ postgres, redis, kafka }),
      draining: () => draining,
    })
    expect(document).toMatchObject({ status, reads, writes })
  },
)
