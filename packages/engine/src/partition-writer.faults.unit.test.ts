/** The writer against twins that misbehave: data that is refused, logs that are damaged. */
import { describe, expect, test, vi } from 'vitest'
import { DataError } from './faults.ts'
import { expectConsistent, id, world } from './partition-writer.fixture.ts'

describe('what cannot be applied', () => {
  test('a malformed or misrouted record goes to the dead letters, the rest of the batch is committed', async () => {
    const w = world()
    w.put('a')
    w.log.append('poison')
    w.put('b', 1, 'elsewhere')
    w.put('c')
    const { writer } = w.start()
    await w.applied(4)
    await writer.close()
    expect(w.store.deadLetters.map(({ offset, code }) => [offset, code])).toEqual([
      [1, 'malformed'],
      [2, 'misrouted'],
    ])
    expect(w.store.headers.get('k')?.units).toBe(2)
  })

  test('a data error is bisected to the one culprit', async () => {
    const w = world({ batchRecordsMax: 64 })
    w.store.beforeCommit = (effects) => {
      for (const rowId of effects.rows.keys())
        if (rowId === 'row-37' || rowId === 'row-38') throw new DataError('bad')
    }
    for (let i = 0; i < 150; i++) w.put(`row-${i}`, 0)
    const { writer } = w.start()
    await w.applied(150)
    await writer.close()
    expect(w.store.deadLetters.map(({ offset, code }) => [offset, code])).toEqual([
      [37, 'data-error'],
      [38, 'data-error'],
    ])
    expect(w.store.rows.size).toBe(148)
    expectConsistent(w)
  })

  test('a dead letter that is refused too is not dropped: the partition halts', async () => {
    const w = world()
    w.store.beforeCommit = () => {
      throw new DataError('whatever it is')
    }
    w.put('a')
    expect(await w.start().writer.ended).toBe('halted')
    expect(w.store.progress(id).nextOffset).toBe(0)
  })

  test('a newer schema halts the partition behind what came before', async () => {
    const w = world()
    w.put('a')
    w.log.append('newer')
    w.put('b')
    expect(await w.start().writer.ended).toBe('halted')
    expect(w.store.progress(id).nextOffset).toBe(1)
    expect(w.store.deadLetters).toEqual([])
  })
})

describe('the log under a writer', () => {
  test('may deliver again, and leave holes that close', async () => {
    const w = world()
    w.put('a')
    const { writer, reader } = w.start()
    await w.applied(1)
    for (const name of ['b', 'c', 'd']) w.put(name)
    await w.applied(4)
    w.put('e')
    reader.deliver(w.log.records.slice(0, 3))
    w.put('f')
    reader.deliver(w.log.records.slice(5))
    await w.applied(6)
    await writer.close()
    expect(w.store.rows.size).toBe(6)
  })

  test('with a hole that stays halts the partition', async () => {
    const w = world()
    w.put('a')
    w.put('b')
    w.put('c')
    w.log.records.splice(1, 1)
    expect(await w.start().writer.ended).toBe('halted')
    expect(w.store.progress(id).nextOffset).toBe(1)
  })

  test('that lost its tail halts a new writer, also after it has grown again', async () => {
    const w = world()
    for (const name of ['a', 'b', 'c']) w.put(name)
    const first = w.start()
    await w.applied(3)
    await first.writer.close()
    w.log.records.pop()
    expect(await w.start().writer.ended).toBe('halted')
    w.put('x')
    w.put('y')
    expect(await w.start().writer.ended).toBe('halted')
    expect(w.faults.join()).toContain('not the one that was applied')
    expect(w.store.rows.has('y')).toBe(false)
  })

  test('may have removed what was applied, but not what was not', async () => {
    const w = world()
    for (const name of ['a', 'b', 'c']) w.put(name)
    const first = w.start()
    await w.applied(3)
    await first.writer.close()
    w.put('d')
    w.log.records.splice(0, 3)
    const second = w.start()
    await w.applied(4)
    await second.writer.close()
    w.put('e')
    w.put('f')
    w.log.records.splice(0, 2)
    expect(await w.start().writer.ended).toBe('halted')
  })
})

/** The second prefetch finds no connection. Answers how to ask for their number. */
function failSecondPrefetch({ store }: ReturnType<typeof world>): () => number {
  const prefetch = store.prefetch.bind(store)
  let prefetches = 0
  store.prefetch = (request) => {
    prefetches++
    return prefetches === 2 ? Promise.reject(new Error('no connection')) : prefetch(request)
  }
  return () => prefetches
}

describe('a fault while a commit is under way', () => {
  test('waits for that commit before anything else, and the writer goes on', async () => {
    const w = world({ batchRecordsMax: 1 })
    const gate = Promise.withResolvers<void>()
    const prefetches = failSecondPrefetch(w)
    w.store.beforeCommit = (effects) => (effects.from.nextOffset === 0 ? gate.promise : undefined)
    w.put('a')
    w.put('b')
    const { writer } = w.start()
    await vi.waitFor(() => expect(prefetches()).toBe(2))
    expect(w.modes).toEqual(['opening', 'running'])
    gate.resolve()
    await w.applied(2)
    await writer.close()
    expect(w.modes).toEqual(['opening', 'running', 'opening', 'running', 'closed'])
    expect(w.store.headers.get('k')).toEqual({ units: 2, version: 2 })
  })

  test('also when that commit is lost', async () => {
    const w = world({ batchRecordsMax: 1 })
    const gate = Promise.withResolvers<void>()
    const prefetches = failSecondPrefetch(w)
    let commits = 0
    w.store.beforeCommit = async () => {
      commits++
      if (commits > 1) return
      await gate.promise
      throw new Error('connection lost')
    }
    w.put('a')
    w.put('b')
    const { writer } = w.start()
    await vi.waitFor(() => expect(prefetches()).toBe(2))
    gate.resolve()
    await w.applied(2)
    await writer.close()
    expectConsistent(w)
  })
})

test('headers that a batch needs are not lost to the headers it loads', async () => {
  const w = world({ cachedKeysMax: 2 })
  const { writer } = w.start()
  const keys = ['k1', 'k2', 'k3', 'k4']
  for (const key of keys) w.put(`first-${key}`, 1, key)
  await w.applied(4)
  for (const key of ['k4', 'k1', 'k2', 'k3', 'k4']) w.put(`second-${key}-${w.log.records.length}`, 1, key)
  await w.applied(9)
  await writer.close()
  expect(keys.map((key) => w.store.headers.get(key)?.units)).toEqual([2, 2, 2, 3])
  expect(w.faults).toEqual([])
})

test('a broken invariant halts the partition, as the same records would break it again', async () => {
  const w = world()
  w.put('a')
  w.log.append(JSON.stringify({ type: 'break', id: 'b', key: 'k', units: 0 }))
  expect(await w.start().writer.ended).toBe('halted')
  expect(w.faults.join()).toContain('InvariantError')
})
