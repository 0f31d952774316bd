import { expect, test } from 'vitest'
import { type KeyNews, PendingNews } from './pending-news.ts'

type News = KeyNews<string>

const made = (version: number, epoch = 1): News => ({
  removed: null,
  snapshot: { epoch, version, header: `v${version}` },
})
const gone = (version: number, epoch = 1): News => ({ removed: { epoch, version }, snapshot: null })
const both = (removed: News, snapshot: News): News => ({
  removed: removed.removed,
  snapshot: snapshot.snapshot,
})

test.each<[what: string, earlier: News, later: News, both: News]>([
  ['of two snapshots the newer', made(4), made(5), made(5)],
  ['also when it came first', made(5), made(4), made(5)],
  ['epochs before versions', made(9, 1), made(2, 2), made(2, 2)],
  ['a removal ends what was before it', made(4), gone(4), gone(4)],
  ['a new life comes after the removal', gone(4), made(1), both(gone(4), made(1))],
  ['and may end again', both(gone(4), made(1)), gone(1), gone(4)],
  ['of two removals the further one', gone(4), gone(7), gone(7)],
  ['a removal and a new life behind a snapshot', made(4), both(gone(4), made(2)), both(gone(4), made(2))],
])('%s', (_, earlier, later, expected) => {
  const added = new PendingNews<string>({ maxSnapshots: 1, maxReplies: 0 })
  added.addKey('a', earlier)
  added.addKey('a', later)
  expect(added.keys.get('a')).toEqual(expected)
  const takenBack = new PendingNews<string>({ maxSnapshots: 1, maxReplies: 0 })
  takenBack.addKey('a', later)
  takenBack.addEarlierKey('a', earlier)
  expect(takenBack.keys.get('a')).toEqual(expected)
})

test('keys and replies are bounded; what is there already takes no more room', () => {
  const pending = new PendingNews<string>({ maxSnapshots: 2, maxReplies: 1 })
  expect(['a', 'b', 'c', 'a'].map((key) => pending.addKey(key, made(1)))).toEqual([true, true, false, true])
  expect(pending.addEarlierKey('c', made(1))).toBe(false)
  expect([1, 2].map((n) => pending.addReply({ to: `i/${n}`, outcome: n }))).toEqual([true, false])
})
