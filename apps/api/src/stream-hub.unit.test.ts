import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { StreamEnd } from './stream.ts'
import type { StreamForm } from './stream-frames.ts'
import { FakeCache, FakeWire, type Seat, seatAt } from './stream-hub.fixture.ts'
import {
  BEAT_MS,
  createStreamHub,
  type OpenOutcome,
  PARTING_MS,
  STALLED_MS,
  type StreamHub,
  type StreamHubOptions,
} from './stream-hub.ts'
import { PUBLISH_EVERY_MS } from './stream-item.ts'

let cache: FakeCache
let hub: StreamHub
let bodies = 0
let ended: [StreamForm, StreamEnd][]
let open = 0
let refused: string[]

function makeHub(options: Partial<StreamHubOptions> = {}): void {
  hub = createStreamHub<Seat>(
    {
      cache,
      toBody: ({ document, version, stale }) => {
        bodies++
        return Buffer.from(JSON.stringify({ ...document, version, stale }))
      },
      observer: {
        opened: () => void open++,
        closed: (form, why) => {
          open--
          ended.push([form, why])
        },
        refused: (by) => void refused.push(by),
      },
    },
    { streams: 10_000, streamsPerCaller: 0, ...options },
  )
}

const wires: FakeWire[] = []

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate'] })
  cache = new FakeCache()
  bodies = 0
  open = 0
  ended = []
  refused = []
  makeHub()
  cache.put('a', seatAt(1))
})

afterEach(() => {
  for (const wire of wires.splice(0)) wire.close()
  // S5, S6, S7: whatever happened, nothing is left of it.
  expect([hub.size(), open, cache.watched, vi.getTimerCount()]).toEqual([0, 0, [], 0])
  vi.useRealTimers()
})

function started(outcome: OpenOutcome, form: StreamForm = 'sse', isFast = true): FakeWire {
  if (outcome.kind !== 'opened') throw new Error(`the stream is ${outcome.kind}`)
  const wire = new FakeWire(outcome.stream, form)
  wire.isFast = isFast
  wires.push(wire)
  outcome.stream.start(wire, outcome.sent)
  return wire
}

async function connect(form: StreamForm = 'sse', isFast = true): Promise<FakeWire> {
  return started(await hub.open('a', 'me', null), form, isFast)
}

test('first the snapshot, then changes: at once in quiet times, else ten a second, and always the last', async () => {
  const wire = await connect()
  expect(wire.versions).toEqual([1])
  cache.put('a', seatAt(2))
  expect(wire.versions).toEqual([1, 2])
  for (let version = 3; version <= 1000; version++) {
    cache.put('a', seatAt(version))
    await vi.advanceTimersByTimeAsync(1)
  }
  await vi.advanceTimersByTimeAsync(100)
  expect(wire.versions.length).toBeGreaterThanOrEqual(11)
  expect(wire.versions.length).toBeLessThanOrEqual(13)
  expect(wire.versions.at(-1)).toBe(1000)
})

test('everybody is offered a publication before the next one, however long that takes', async () => {
  const all: FakeWire[] = []
  for (let n = 0; n < 600; n++) all.push(await connect())
  const [first] = all
  if (first === undefined) throw new Error('there is no stream')
  first.meanwhile = () => {
    first.meanwhile = () => undefined
    cache.put('a', seatAt(3))
    // Longer than a publication must wait for the one before.
    vi.advanceTimersByTime(PUBLISH_EVERY_MS)
  }
  cache.put('a', seatAt(2))
  await vi.advanceTimersByTimeAsync(PUBLISH_EVERY_MS)
  for (const wire of all) expect(wire.versions).toEqual([1, 2, 3])
})

test('older and equal snapshots are not sent; another epoch is newer', async () => {
  const wire = await connect()
  for (const next of [seatAt(3), seatAt(2), seatAt(3), seatAt(1, { epoch: 2 }), seatAt(9)]) {
    cache.put('a', next)
    await vi.advanceTimersByTimeAsync(100)
  }
  expect(wire.versions).toEqual([1, 3, 1])
})

test('bytes are made once per version and form, however many streams', async () => {
  const all: FakeWire[] = []
  for (let n = 0; n < 1000; n++) all.push(await connect(n % 2 === 0 ? 'sse' : 'websocket'))
  expect(bodies).toBe(2)
  cache.put('a', seatAt(2))
  await vi.advanceTimersByTimeAsync(10)
  expect(bodies).toBe(4)
  for (const wire of all) expect(wire.versions).toEqual([1, 2])
})

test('a slow client gets the newest when it has taken the last write, not what was between; others do not wait', async () => {
  const [slow, fast] = [await connect('sse', false), await connect()]
  for (let version = 2; version <= 9; version++) {
    cache.put('a', seatAt(version))
    await vi.advanceTimersByTimeAsync(100)
  }
  expect([slow.versions, fast.versions.length]).toEqual([[1], 9])
  slow.drain()
  expect(slow.versions).toEqual([1, 9])
  slow.drain()
  cache.put('a', seatAt(10))
  expect(slow.versions).toEqual([1, 9, 10])
})

test('what changes while a stream opens is what it starts with', async () => {
  const outcome = hub.open('a', 'me', null)
  cache.known.set('a', seatAt(1))
  await Promise.resolve()
  cache.put('a', seatAt(5))
  const wire = started(await outcome)
  expect(wire.versions).toEqual([5])
  // What is known to be stale says so to who comes now, and is no news to the others.
  cache.known.set('a', seatAt(5, { stale: true }))
  expect((await connect()).sent[0]).toContain('"stale":true')
  await vi.advanceTimersByTimeAsync(200)
  expect(wire.versions).toEqual([5])
})

test('resuming: what the client has is not repeated; what it cannot have, is', async () => {
  cache.put('a', seatAt(7))
  const from = async (version: number, epoch = 1) =>
    started(await hub.open('a', 'me', { epoch, version })).versions
  expect([await from(7), await from(6), await from(9, 0)]).toEqual([[], [7], [7]])
  expect(cache.asked).toEqual(['a', 'a', 'a'])
  // The store knows more than this instance: the client had it from another one.
  cache.stored = seatAt(8)
  expect(await from(8)).toEqual([])
  cache.stored = seatAt(9)
  expect(await from(8)).toEqual([9])
  // Nobody knows this one: it is of something else.
  expect(await from(5000)).toEqual([9])
  expect(cache.asked.slice(3)).toEqual(['a', 'a≥9', 'a', 'a≥9', 'a', 'a≥5001'])
  // The store does not answer: what is here is older than what the client has.
  cache.stored = seatAt(9, { stale: true })
  expect(await from(10)).toEqual([])
  // Of a later epoch, whatever its version: only the store can know.
  cache.stored = seatAt(3, { epoch: 2 })
  expect(await from(3, 2)).toEqual([])
  expect(cache.asked.at(-1)).toBe(`a≥${Number.MAX_SAFE_INTEGER}`)
})

test('a removed item: what is on its way, that it is gone, the end; nothing is left for who asks again', async () => {
  const [slow, fast] = [await connect('sse', false), await connect('websocket')]
  cache.put('a', { missing: true })
  expect(fast.sent.at(-1)).toContain('{"event":"gone","data":{"id":"a"}}')
  expect([fast.ended, slow.ended, cache.watched]).toEqual(['gone', null, []])
  slow.drain()
  expect([slow.sent.at(-1), slow.ended]).toEqual(['event: gone\ndata: {"id":"a"}\n\n', 'gone'])
  expect(await hub.open('a', 'me', null)).toEqual({ kind: 'missing' })
  for (const wire of wires) wire.close()
  expect(ended).toEqual([
    ['sse', 'gone'],
    ['websocket', 'gone'],
  ])
  // Made again, it begins anew.
  cache.put('a', seatAt(1))
  const again = await connect()
  cache.put('a', seatAt(2))
  expect(again.versions).toEqual([1, 2])
})

test('places: taken before the item is looked up, given back whatever comes of it', async () => {
  makeHub({ streams: 3, streamsPerCaller: 2 })
  const gate = Promise.withResolvers<void>()
  cache.gate = gate.promise
  const mine = [hub.open('a', 'me', null), hub.open('nothing', 'me', null)]
  expect(await hub.open('a', 'me', null)).toEqual({ kind: 'refused', by: 'caller' })
  const others = hub.open('a', 'you', null)
  expect(await hub.open('a', 'they', null)).toEqual({ kind: 'refused', by: 'process' })
  expect(refused).toEqual(['caller', 'process'])
  gate.resolve()
  const wire = started((await Promise.all(mine))[0] ?? { kind: 'missing' })
  started(await others)
  expect(hub.size()).toBe(2)
  cache.fault = new Error('no store')
  await expect(hub.open('b', 'me', null)).rejects.toThrow('no store')
  expect(hub.size()).toBe(2)
  cache.fault = null
  wire.close()
  wire.close()
  expect(hub.size()).toBe(1)
  for (let n = 0; n < 2; n++) started(await hub.open('a', 'me', null))
  expect(hub.size()).toBe(3)
})

test('beats keep a stream; who does not take a write or does not answer in time is closed', async () => {
  const [plain, stalled, silent] = [await connect(), await connect('sse', false), await connect('websocket')]
  silent.silent = true
  await vi.advanceTimersByTimeAsync(BEAT_MS)
  expect([plain.sent.slice(1), stalled.isDestroyed, silent.isDestroyed]).toEqual([['beat'], false, true])
  await vi.advanceTimersByTimeAsync(STALLED_MS - BEAT_MS)
  expect([plain.sent.slice(1), stalled.isDestroyed]).toEqual([['beat', 'beat'], true])
  expect(ended).toEqual([
    ['websocket', 'silent'],
    ['sse', 'stalled'],
  ])
  expect([stalled.versions, hub.size()]).toEqual([[1], 1])
})

test('a client that drains now and then is slow, not stalled', async () => {
  const wire = await connect('sse', false)
  for (let n = 0; n < 5; n++) {
    await vi.advanceTimersByTimeAsync(BEAT_MS)
    wire.drain()
    cache.put('a', seatAt(n + 2))
  }
  expect([wire.isDestroyed, wire.versions]).toEqual([false, [1, 2, 3, 4, 5, 6]])
})

test('shutting down: streams end, what still stands is cut, who comes back gets a snapshot and its end', async () => {
  const [fast, slow] = [await connect(), await connect('websocket', false)]
  const opening = hub.open('a', 'me', null)
  hub.drain()
  expect([fast.ended, slow.ended]).toEqual(['draining', null])
  fast.close()
  const late = started(await opening)
  expect([late.versions, late.ended]).toEqual([[1], 'draining'])
  await vi.advanceTimersByTimeAsync(PARTING_MS)
  expect([slow.isDestroyed, late.isDestroyed, hub.size()]).toEqual([true, true, 0])
  const again = await connect('sse', false)
  expect([again.versions, again.ended]).toEqual([[1], null])
  again.drain()
  expect(again.ended).toBe('draining')
  await vi.advanceTimersByTimeAsync(PARTING_MS)
  expect(again.isDestroyed).toBe(true)
})

test('nothing is written after a write that failed', async () => {
  const wire = await connect('sse', false)
  cache.put('a', seatAt(2))
  wire.drain(new Error('reset'))
  expect(wire.versions).toEqual([1])
})

test('a client that leaves while its item is looked up is not started', async () => {
  const outcome = await hub.open('a', 'me', null)
  if (outcome.kind !== 'opened') throw new Error(outcome.kind)
  outcome.stream.closed()
  const wire = new FakeWire(outcome.stream)
  outcome.stream.start(wire, null)
  expect([wire.sent, wire.isDestroyed]).toEqual([[], true])
})
