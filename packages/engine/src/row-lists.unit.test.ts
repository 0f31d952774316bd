/** The front of a list: the page as it was, under what has changed since. */
import { describe, expect, test } from 'vitest'
import type { Page } from './ports.ts'
import { PageNeeded, RowLists } from './row-lists.ts'

interface Guest {
  readonly id: string
  /** Null when not in line. */
  readonly place: number | null
}

const decider = {
  keyOfRow: () => 'k',
  rowId: (guest: Guest) => guest.id,
  listsOf: ({ place }: Guest) => (place === null ? [] : [{ list: 'line', at: place }]),
}

const guest = (id: string, place: number | null): Guest => ({ id, place })

function given(stored: {
  page?: readonly Guest[]
  complete?: boolean
  empty?: boolean
  changed?: readonly Guest[]
}) {
  const { page: rows, complete = false, empty = false, changed = [] } = stored
  const page: Page<Guest> | undefined =
    rows === undefined ? undefined : { key: 'k', list: 'line', rows, complete }
  const known = new Map([...(rows ?? []), ...changed].map((row) => [row.id, row]))
  const lists = new RowLists<Guest>({
    decider,
    page: () => page,
    empty: () => empty,
    changed,
    row: (id) => known.get(id),
  })
  const change = (after: Guest): void => {
    const before = known.get(after.id)
    known.set(after.id, after)
    lists.change(before, after)
  }
  /** The ids in order; `…` where more is needed. */
  const read = (upTo?: number): string => {
    const ids: string[] = []
    try {
      for (const { id } of lists.read('k', 'line', upTo)) ids.push(id)
    } catch (error) {
      expect(error).toBeInstanceOf(PageNeeded)
      ids.push('…')
    }
    return ids.join(' ')
  }
  return { lists, change, read }
}

describe('a list', () => {
  test('is the page, and ends where the page does', () => {
    const rows = [guest('a', 1), guest('b', 2)]
    expect(given({ page: rows, complete: true }).read()).toBe('a b')
    expect(given({ page: rows }).read()).toBe('a b …')
    expect(given({}).read()).toBe('…')
    expect(given({ empty: true }).read()).toBe('')
  })

  test('shows the batch in flight instead of what the page still has', () => {
    const rows = [guest('a', 1), guest('b', 2), guest('c', 3)]
    const changed = [guest('a', null), guest('c', 9), guest('n', 2)]
    expect(given({ page: rows, complete: true, changed }).read()).toBe('b n c')
  })

  test('yields nothing from behind an incomplete page: others may stand between', () => {
    const changed = [guest('near', 1), guest('far', 7)]
    const list = given({ page: [guest('a', 1), guest('b', 5)], changed })
    expect(list.read()).toBe('a near b …')
    list.change(guest('farther', 6))
    list.change(guest('between', 3))
    expect(list.read()).toBe('a near between b …')
  })

  test('is read up to a point without what stands behind it, also when all that was loaded is gone', () => {
    const rows = [guest('a', 1), guest('b', 3)]
    expect(given({ page: rows }).read(1)).toBe('a')
    expect(given({ page: rows }).read(2)).toBe('a')
    expect(given({ page: rows }).read(3)).toBe('a b …')
    expect(given({ page: rows, changed: [guest('a', null), guest('b', null)] }).read(2)).toBe('')
    expect(given({ page: rows, changed: [guest('a', null), guest('b', null)] }).read(3)).toBe('…')
    expect(given({}).read(0)).toBe('…')
  })

  test('follows every change, also before it is first read', () => {
    const list = given({ page: [guest('a', 1), guest('b', 1)], complete: true })
    list.change(guest('c', 0))
    expect(list.read()).toBe('c a b')
    list.change(guest('a', null))
    list.change(guest('c', 1))
    expect(list.read()).toBe('b c')
    list.change(guest('a', 0))
    expect(list.read()).toBe('a b c')
  })

  test('says where its first row stands, that there is none, or that it cannot know', () => {
    expect(given({ page: [guest('a', 4)] }).lists.first('k', 'line')).toBe(4)
    expect(given({ page: [], complete: true }).lists.first('k', 'line')).toBeNull()
    // The page's only row is gone, what follows it stands no earlier.
    expect(given({ page: [guest('a', 4)], changed: [guest('a', null)] }).lists.first('k', 'line')).toBe(4)
    expect(given({}).lists.first('k', 'line')).toBeUndefined()
  })

  test('counts how much of its page was needed: what was read, and what has left before it', () => {
    const rows = [guest('a', 1), guest('b', 2), guest('c', 3), guest('d', 4)]
    const list = given({ page: rows, changed: [guest('a', null)] })
    const reached = () => list.lists.reached().map(({ limit }) => limit)
    expect(list.read(1)).toBe('')
    list.change(guest('b', null))
    expect(list.read(3)).toBe('c')
    expect(reached()).toEqual([4])
    expect(list.read(2)).toBe('')
    expect(reached()).toEqual([4])
  })

  test('of a key that is removed shows none of its rows any more', () => {
    const known = new Map([['a', guest('a', 1)]])
    const page: Page<Guest> = { key: 'k', list: 'line', rows: [...known.values()], complete: true }
    const input = { decider, page: () => page, empty: () => false, changed: [] }
    const lists = new RowLists<Guest>({ ...input, row: (id) => known.get(id) })
    expect([...lists.read('k', 'line')]).toHaveLength(1)
    known.clear()
    lists.removed('k')
    expect([...lists.read('k', 'line')]).toHaveLength(0)
  })
})
