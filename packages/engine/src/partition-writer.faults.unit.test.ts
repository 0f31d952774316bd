/** The writer against twins that misbehave: data that is refused, logs that are damaged. */
import { describe, expect, test, vi } from 'vitest'
import { expectConsistent, id, slowCommits, world } from './partition-writer.fixture.ts'

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
    expect(w.database.deadLetters.map(({ offset, code }) => [offset, code])).toEqual([
      [1, 'malformed'],
      [2, 'misrouted'],
    ])
    expect(w.database.headers.get('k')?.units).toBe(2)
  })

  test('a data error is bisected to the one culprit', async () => {
    const w = world({
      batchRecordsMax: 64,
      refuses: ({ rows }) => (rows.has('row-37') || rows.has('row-38') ? 'bad' : null),
    })
    for (let i = 0; i < 150; i++) w.put(`row-${i}`, 0)
    const { writer } = w.start()
    await w.applied(150)
    await writer.close()
    expect(w.database.deadLetters.map(({ offset, code }) => [offset, code])).toEqual([
      [37, 'data-error'],
      [38, 'data-error'],
    ])
    expect(w.database.rows.size).toBe(148)
    expectConsistent(w)
  })

  test('batches are as large as before once the culprit is buried', async () => {
    const w = world({ batchRecordsMax: 64, refuses: ({ rows }) => (rows.has('row-0') ? 'bad' : null) })
    for (let i = 0; i < 400; i++) w.put(`row-${i}`, 0)
    const { writer } = w.start()
    await w.applied(400)
    await writer.close()
    const ends = w.batches.map(({ nextOffset }) => nextOffset)
    const sizes = ends.map((end, index) => end - (ends[index - 1] ?? 0))
    expect(sizes[0]).toBe(1)
    expect(Math.max(...sizes)).toBe(64)
  })

  test('a dead letter that is refused too is not dropped: the partition halts', async () => {
    const w = world({ refuses: () => 'whatever it is' })
    w.put('a')
    expect(await w.start().writer.ended).toBe('halted')
    expect(w.database.progress(id).nextOffset).toBe(0)
  })

  test('a newer schema halts the partition behind what came before', async () => {
    const w = world()
    w.put('a')
    w.log.append('newer')
    w.put('b')
    expect(await w.start().writer.ended).toBe('halted')
    expect(w.database.progress(id).nextOffset).toBe(1)
    expect(w.database.deadLetters).toEqual([])
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
    expect(w.database.rows.size).toBe(6)
  })

  test('with a hole that stays halts the partition', async () => {
    const w = world()
    w.put('a')
    w.put('b')
    w.put('c')
    w.log.records.splice(1, 1)
    expect(await w.start().writer.ended).toBe('halted')
    expect(w.database.progress(id).nextOffset).toBe(1)
  })

  test('that lost its tail halts a new writer, also after it has grown again', async () => {
    const w = world()
    for (const name of ['a', 'b', 'c']) w.put(name)
    const first = w.start()
    await w.applied(3)
    await first.writer.close()
    w.log.truncate(2)
    expect(await w.start().writer.ended).toBe('halted')
    w.put('x')
    w.put('y')
    expect(await w.start().writer.ended).toBe('halted')
    expect(w.faults.join()).toContain('not the one that was applied')
    expect(w.database.rows.has('y')).toBe(false)
  })

  test('whose last record is the same but for its time is another log', async () => {
    const w = world()
    w.put('a')
    const first = w.start()
    await w.applied(1)
    await first.writer.close()
    const [record] = w.log.records
    w.log.truncate(0)
    w.log.append(record?.value ?? null, (record?.timeMs ?? 0) + 1)
    expect(await w.start().writer.ended).toBe('halted')
    expect(w.faults.join()).toContain('not the one that was applied')
  })

  test('may have removed what was applied, but not what was not', async () => {
    const w = world()
    for (const name of ['a', 'b', 'c']) w.put(name)
    const first = w.start()
    await w.applied(3)
    await first.writer.close()
    w.put('d')
    w.log.removeBefore(3)
    const second = w.start()
    await w.applied(4)
    await second.writer.close()
    w.put('e')
    w.put('f')
    w.log.removeBefore(5)
    expect(await w.start().writer.ended).toBe('halted')
  })
})

/** A first commit that takes until `release`, and a second prefetch that finds no connection. */
function failBehindCommit({ network }: ReturnType<typeof world>, commitIsLost: boolean) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const seen = { commits: 0, prefetches: 0 }
  network.wire = async (request, work) => {
    if (request === 'prefetch' && ++seen.prefetches === 2) throw new Error('no connection')
    if (request === 'commit' && ++seen.commits === 1) {
      await released
      if (commitIsLost) throw new Error('connection lost')
    }
    return slowCommits(request, work)
  }
  return { seen, release }
}

describe('a fault while a commit is under way', () => {
  test('waits for that commit before anything else, and the writer goes on', async () => {
    const w = world({ batchRecordsMax: 1 })
    const { seen, release } = failBehindCommit(w, false)
    w.put('a')
    w.put('b')
    const { writer } = w.start()
    await vi.waitFor(() => expect(seen.prefetches).toBe(2))
    expect(w.modes).toEqual(['opening', 'running'])
    release()
    await w.applied(2)
    await writer.close()
    expect(w.modes).toEqual(['opening', 'running', 'opening', 'running', 'closed'])
    expect(w.database.headers.get('k')).toEqual({ units: 2, version: 2 })
  })

  test('also when that commit is lost', async () => {
    const w = world({ batchRecordsMax: 1 })
    const { seen, release } = failBehindCommit(w, true)
    w.put('a')
    w.put('b')
    const { writer } = w.start()
    await vi.waitFor(() => expect(seen.prefetches).toBe(2))
    release()
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
  expect(keys.map((key) => w.database.headers.get(key)?.units)).toEqual([2, 2, 2, 3])
  expect(w.faults).toEqual([])
})

test('a broken invariant halts the partition, as the same records would break it again', async () => {
  const w = world()
  w.put('a')
  w.log.append(JSON.stringify({ type: 'break', id: 'b', key: 'k', units: 0 }))
  expect(await w.start().writer.ended).toBe('halted')
  expect(w.faults.join()).toContain('InvariantError')
})
