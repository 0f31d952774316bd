/** The writer against twins: what it commits, what leaves, and who may. */
import { describe, expect, test, vi } from 'vitest'
import { expectConsistent, id, slowCommits, world } from './partition-writer.fixture.ts'

describe('a writer', () => {
  test('applies commands in offset order and tells only after the commit', async () => {
    const w = world()
    w.put('a', 5, 'k', { reply_to: 'api/1' })
    w.put('b', 3)
    w.put('c', 99, 'k', { reply_to: 'api/2' })
    const { writer, reader } = w.start()
    await w.applied(3)
    await writer.close()
    expect(w.database.headers.get('k')).toEqual({ units: 8, version: 2 })
    expect(w.replies()).toEqual([
      ['api/1', 'at 1800000000000'],
      ['api/2', 'full'],
    ])
    expect(w.segments.flatMap((segment) => segment.messages.map((message) => message.value))).toEqual([
      '1 put v1',
      '2 put v2',
      '3 refused v2',
    ])
    expect(reader.acknowledged).toBe(3)
    expectConsistent(w)
  })

  test('refuses repeats within a batch, across the batch in flight, and across restarts', async () => {
    const w = world({ batchRecordsMax: 2 })
    for (const name of ['a', 'a', 'a', 'b', 'a', 'b']) w.put(name, 5)
    const first = w.start()
    await w.applied(6)
    await first.writer.close()
    w.put('a', 5)
    const second = w.start()
    await w.applied(7)
    await second.writer.close()
    expect(w.database.headers.get('k')).toEqual({ units: 10, version: 2 })
    expectConsistent(w)
  })

  test('finds the key of a command by its row, also when the row is in the batch in flight', async () => {
    const w = world({ batchRecordsMax: 1 })
    w.put('a', 5)
    w.take('a', { reply_to: 'api' })
    w.take('a', { reply_to: 'api' })
    w.take('unknown', { reply_to: 'api' })
    const { writer } = w.start()
    await w.applied(4)
    await writer.close()
    expect(w.replies().map(([, code]) => code)).toEqual(['taken', 'nothing', 'nothing'])
    expect(w.database.headers.get('k')).toEqual({ units: 0, version: 2 })
  })

  test('remembers the outcome of what is idempotent neither by id nor by state', async () => {
    const w = world({ batchRecordsMax: 2 })
    const stir = JSON.stringify({ type: 'stir', id: 's', key: 'k', units: 0, reply_to: 'api' })
    for (let i = 0; i < 5; i++) w.log.append(stir, 1000 + i)
    const { writer } = w.start()
    await w.applied(5)
    await writer.close()
    expect(w.database.headers.get('k')?.version).toBe(1)
    expect(w.replies()).toHaveLength(5)
    expect(w.faults).toEqual([])
  })

  test('never lets time go back', async () => {
    const w = world({ batchRecordsMax: 1 })
    const at = (name: string, timeMs: number) =>
      w.log.append(JSON.stringify({ type: 'put', id: name, key: 'k', units: 1, reply_to: 'api' }), timeMs)
    at('a', 2000)
    at('b', 1000)
    at('c', 3000)
    const { writer } = w.start()
    await w.applied(3)
    await writer.close()
    expect(w.replies().map(([, code]) => code)).toEqual(['at 2000', 'at 2000', 'at 3000'])
  })

  test('asks the store for a cached key only once', async () => {
    const w = world()
    const { writer } = w.start()
    for (let i = 0; i < 5; i++) {
      w.put(`row-${i}`)
      await w.applied(i + 1)
    }
    await writer.close()
    expect(w.prefetchedKeys).toEqual(['k'])
  })

  test('keeps the headers used last, as many as it may, and asks again for the others', async () => {
    const w = world({ cachedKeysMax: 2 })
    const { writer } = w.start()
    for (const [offset, key] of ['k1', 'k2', 'k1', 'k3', 'k1', 'k2'].entries()) {
      // 101 units are too many: their key is looked at and not changed.
      w.put(`row-${offset}`, offset === 2 ? 101 : 1, key)
      await w.applied(offset + 1)
    }
    await writer.close()
    expect(w.prefetchedKeys).toEqual(['k1', 'k2', 'k3', 'k2'])
  })

  test('keeps rows of which more is to be expected, as many as it may, and loads the others again', async () => {
    const w = world({ cachedRowsMax: 2 })
    const { writer } = w.start()
    const put = [...['a', 'b', 'c'].map((id) => ({ id, endMs: 1e15 })), { id: 'endless', endMs: undefined }]
    for (const [offset, { id, endMs }] of put.entries()) {
      w.put(id, 1, 'k', { endMs })
      await w.applied(offset + 1)
    }
    w.prefetchedRowIds.length = 0
    for (const [offset, id] of ['a', 'b', 'c', 'endless', 'c'].entries()) {
      w.take(id, { reply_to: 'api' })
      await w.applied(put.length + offset + 1)
    }
    await writer.close()
    expect(w.prefetchedRowIds).toEqual(['a', 'endless', 'c'])
    const codes = ['taken', 'taken', 'taken', 'taken', 'nothing']
    expect(w.replies().map(([, code]) => code)).toEqual(codes)
    expectConsistent(w)
  })

  test('commits the batch in hand when it is closed', async () => {
    const w = world()
    const held = Promise.withResolvers<void>()
    w.network.wire = async (request, work) => {
      if (request === 'commit') await held.promise
      return slowCommits(request, work)
    }
    w.put('a')
    const { writer } = w.start()
    await vi.waitFor(() => expect(w.prefetchedKeys).toEqual(['k']))
    const closing = writer.close()
    held.resolve()
    await closing
    expect(w.database.progress(id).nextOffset).toBe(1)
  })
})

describe('the fence', () => {
  test('lets one of two writers of a partition commit, and ends the other', async () => {
    const w = world({ batchRecordsMax: 10 })
    const [one, two] = [w.start(), w.start()]
    for (let i = 0; i < 200; i++) w.put(`row-${i % 150}`, 0)
    const ended = await Promise.race([one.writer.ended, two.writer.ended])
    expect(ended).toBe('fenced')
    await w.applied(200)
    await Promise.all([one.writer.close(), two.writer.close()])
    expect(w.database.ledger).toHaveLength(150)
    expectConsistent(w)
  })

  test('a fenced writer publishes nothing of what it decided', async () => {
    const w = world()
    w.network.wire = (request, work) => {
      if (request === 'commit') w.database.raiseEpoch(id)
      return slowCommits(request, work)
    }
    w.put('a', 1, 'k', { reply_to: 'api' })
    const { writer, reader } = w.start()
    expect(await writer.ended).toBe('fenced')
    expect([w.batches, w.segments, reader.acknowledged]).toEqual([[], [], 0])
  })
})

describe('a commit whose outcome is unknown', () => {
  test.each(['before', 'after'] as const)(
    'that broke %s the commit is found out and takes effect once',
    async (when) => {
      const w = world({ batchRecordsMax: 2 })
      let commits = 0
      w.network.wire = async (request, work) => {
        const breaks = request === 'commit' && commits++ % 2 === 0
        if (breaks && when === 'before') throw new Error('connection lost')
        const answer = await slowCommits(request, work)
        if (breaks) throw new Error('connection lost')
        return answer
      }
      for (let i = 0; i < 9; i++) w.put(`row-${i}`, 1)
      const { writer } = w.start()
      await w.applied(9)
      await writer.close()
      expect(w.database.headers.get('k')).toEqual({ units: 9, version: 9 })
      expect(w.faults.length).toBeGreaterThan(2)
      expectConsistent(w)
    },
  )

  test('wakes a writer that waits for records', async () => {
    const w = world()
    let attempts = 0
    w.network.wire = async (request, work) => {
      if (request === 'commit' && attempts++ < 3) throw new Error('connection lost')
      return slowCommits(request, work)
    }
    w.put('a')
    const { writer } = w.start()
    await w.applied(1)
    await writer.close()
    expect(w.modes.filter((mode) => mode === 'opening')).toHaveLength(4)
  })

  test('is waited for longer and longer up to a limit, and as at first after a success', async () => {
    const w = world({ retryDelayMs: 50, retryDelayMaxMs: 150 })
    let failuresLeft = 4
    w.network.wire = async (request, work) => {
      if (request === 'commit' && failuresLeft-- > 0) throw new Error('connection lost')
      return slowCommits(request, work)
    }
    w.put('a')
    const { writer } = w.start()
    await w.applied(1)
    failuresLeft = 1
    w.put('b')
    await w.applied(2)
    await writer.close()
    expect(w.delaysMs).toEqual([50, 100, 150, 150, 50])
  })
})
