/** What is due is done as steps before the next command, in batches of bounded size, from lists of bounded pages. */
import { describe, expect, test } from 'vitest'
import { expectConsistent, slowCommits, world } from './partition-writer.fixture.ts'

const END_MS = 2_000_000_000_000
const DEADLINE = { timeout: 10_000 }

describe('steps', () => {
  test('come before the command, in the order of their times, and only when their time has come', async () => {
    const w = world()
    w.put('late', 1, 'k', { endMs: END_MS + 1 })
    w.put('b', 2, 'k', { endMs: END_MS })
    w.put('a', 3, 'k', { endMs: END_MS - 1 })
    w.send('wake', END_MS - 2, { reply_to: 'api' })
    w.send('wake', END_MS, { reply_to: 'api' })
    const { writer } = w.start()
    await w.applied(5)
    await writer.close()
    expect(w.replies().map(([, code]) => code)).toEqual(['woken after 0', 'woken after 2'])
    expect(w.database.ledger.slice(3).map(({ event }) => event.rowId)).toEqual(['a', 'b'])
    expect(w.database.headers.get('k')).toEqual({ units: 1, version: 5, perishable: 1 })
    expectConsistent(w)
  })

  test('of one command are spread over batches, and it is answered once, in the last', async () => {
    const w = world({ batchEventsMax: 3 })
    for (let n = 0; n < 10; n++) w.put(`row ${n}`, 1, 'k', { endMs: END_MS + n })
    w.send('wake', END_MS + 100, { reply_to: 'api' })
    w.put('after', 5)
    const { writer } = w.start()
    await w.applied(12)
    await writer.close()
    expect(w.replies()).toEqual([['api', 'woken after 10']])
    expect(w.database.headers.get('k')).toEqual({ units: 5, version: 21 })
    const sizes = w.segments.map(({ firstSeq, lastSeq }) => lastSeq - firstSeq + 1)
    expect(Math.max(...sizes)).toBe(3)
    expect(w.segments.flatMap(({ messages }) => messages.map(({ value }) => value)).slice(10, 14)).toEqual([
      '11 rot v11',
      'after 11',
      '12 rot v12',
      'after 12',
    ])
    expectConsistent(w)
  })

  test('go on where they were when the partition changes hands in the middle', async () => {
    const w = world({ batchEventsMax: 2 })
    for (let n = 0; n < 9; n++) w.put(`row ${n}`, 1, 'k', { endMs: END_MS + n })
    w.send('wake', END_MS + 100)
    const commits = { left: 7 }
    w.network.wire = async (request, work) => {
      if (request.startsWith('commit') && --commits.left < 0) throw new Error('connection lost')
      return slowCommits(request, work)
    }
    const first = w.start()
    await expect.poll(() => commits.left, DEADLINE).toBeLessThan(0)
    await first.writer.close()
    expect(w.database.progress({ topic: 'piles', partition: 0 }).nextOffset).toBe(9)
    w.network.wire = slowCommits
    const second = w.start()
    await w.applied(10)
    await second.writer.close()
    expect(w.database.headers.get('k')).toEqual({ units: 0, version: 18 })
    expectConsistent(w)
  })

  test('need more of a list than its first page: the batch ends there and more is loaded', async () => {
    const w = world()
    const rows = 50
    for (let n = 0; n < rows; n++) w.put(`row ${n}`, 1, 'k', { endMs: END_MS })
    const filling = w.start()
    await w.applied(rows)
    await filling.writer.close()
    w.send('wake', END_MS, { reply_to: 'api' })
    const waking = w.start()
    await w.applied(rows + 1)
    await waking.writer.close()
    expect(w.replies().at(-1)?.[0]).toBe('api')
    expect(w.database.headers.get('k')).toEqual({ units: 0, version: 2 * rows })
    expectConsistent(w)
  })

  test('are found by the time they are decided at, also when the log that brings them has gone back', async () => {
    const w = world()
    const rows = 40
    for (let n = 0; n < rows; n++) w.put(`row ${n}`, 1, 'k', { endMs: END_MS + n })
    w.send('stir', END_MS - 1)
    w.send('drop', END_MS + 1000, { key: 'other' })
    const filling = w.start()
    await w.applied(rows + 2)
    await filling.writer.close()
    w.send('wake', END_MS - 1, { reply_to: 'api' })
    const waking = w.start()
    await w.applied(rows + 3)
    await waking.writer.close()
    expect(w.replies()).toEqual([['api', `woken after ${rows}`]])
  })

  test.each([1, 2, 100])(
    'are not waited for when rows leave the front of the list, %i records a batch',
    async (size) => {
      const w = world({ batchRecordsMax: size })
      for (let n = 0; n < 40; n++) w.put(`row ${n}`, 1, 'k', { endMs: END_MS + n })
      const filling = w.start()
      await w.applied(40)
      await filling.writer.close()
      for (let n = 0; n < 40; n++) w.take(`row ${n}`)
      const { writer } = w.start()
      await w.applied(80)
      await writer.close()
      expect(w.faults).toEqual([])
      expect(w.database.headers.get('k')).toEqual({ units: 0, version: 80 })
    },
  )

  test('a batch says when the next thing is due at each key that it has looked at', async () => {
    const w = world({ batchRecordsMax: 1 })
    w.put('a', 1, 'k', { endMs: END_MS })
    w.put('b', 1, 'other')
    w.take('a')
    const { writer } = w.start()
    await w.applied(3)
    await writer.close()
    expect(w.batches.flatMap(({ due }) => [...due])).toEqual([
      ['k', END_MS],
      ['other', null],
      ['k', null],
    ])
  })
})

describe('what is due without a command', () => {
  test('is woken by the writer itself, as soon as a commit makes it due', async () => {
    const w = world()
    w.put('a', 5, 'k', { endMs: 1 })
    const { writer } = w.start()
    await expect.poll(() => w.database.headers.get('k'), DEADLINE).toEqual({ units: 0, version: 2 })
    await writer.close()
    expect(w.batches.at(-1)?.due.get('k')).toBeNull()
  })

  test('is nothing at a key that is gone', async () => {
    const w = world()
    w.put('a', 5, 'k', { endMs: END_MS })
    w.send('drop', 1)
    const { writer } = w.start()
    await w.applied(2)
    await writer.close()
    expect(w.batches.at(-1)?.due).toEqual(new Map([['k', null]]))
  })
})

test('a step that the database refuses is laid to the record that takes it, not to the one before', async () => {
  const refused = (row: { id: string; taken: boolean }) => row.id === 'bad' && row.taken
  const w = world({
    batchEventsMax: 2,
    refuses: ({ rows }) => ([...rows.values()].some(({ row }) => refused(row)) ? '22P05: bad' : null),
  })
  w.put('bad', 1, 'k', { endMs: END_MS })
  w.put('worse', 1, 'k', { endMs: END_MS })
  w.put('innocent', 1, 'other')
  w.send('wake', END_MS, { reply_to: 'api' })
  const { writer } = w.start()
  await w.applied(4)
  await writer.close()
  expect(w.database.deadLetters.map(({ offset }) => offset)).toEqual([3])
  expect(w.database.headers.get('other')).toEqual({ units: 1, version: 1 })
})

describe('a key that goes', () => {
  test('is told as removed with the last version that anybody can have seen of it, and as made again', async () => {
    const w = world({ batchRecordsMax: 3 })
    for (const name of ['a', 'b', 'c']) w.put(name)
    w.put('d')
    w.send('drop', 1)
    w.put('e')
    w.send('drop', 2)
    const { writer } = w.start()
    await w.applied(7)
    await writer.close()
    const told = w.batches.map(({ removed, headers }) => [removed.get('k'), headers.get('k')?.version])
    expect(told).toEqual([
      [undefined, 3],
      [4, 1],
      [1, undefined],
    ])
  })

  test('takes its rows with it, also from the batch in flight, and may come again', async () => {
    const w = world({ batchRecordsMax: 2 })
    w.put('a', 5)
    w.put('b', 5)
    w.send('drop', 1)
    w.take('a', { reply_to: 'api/1' })
    w.put('a', 7, 'k', { reply_to: 'api/2' })
    w.send('drop', 2)
    w.put('a', 9)
    const { writer } = w.start()
    await w.applied(7)
    await writer.close()
    expect(w.replies().map(([to, code]) => `${to} ${code?.split(' ')[0]}`)).toEqual([
      'api/1 nothing',
      'api/2 at',
    ])
    expect(w.database.headers.get('k')).toEqual({ units: 9, version: 1 })
    expect([...w.database.rows.keys()]).toEqual(['a'])
  })

  test.each([1, 2, 3, 100])(
    'leaves nothing of itself to the one that comes after, %i records a batch',
    async (size) => {
      const w = world({ batchRecordsMax: size })
      w.put('old', 5)
      w.send('drop', 1)
      w.put('new', 7)
      w.put('new', 7, 'k', { reply_to: 'api/1' })
      w.take('old', { reply_to: 'api/2' })
      const { writer } = w.start()
      await w.applied(5)
      await writer.close()
      expect(w.replies()).toEqual([
        ['api/1', 'again'],
        ['api/2', 'nothing'],
      ])
      expect(w.database.headers.get('k')).toEqual({ units: 7, version: 1 })
    },
  )
})
