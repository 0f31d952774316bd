import { expect, test } from 'vitest'
import { readAnnouncements, readPublishedProgress, readReplies } from './live-messages.ts'

const parse = (value: unknown) => (typeof value === 'string' ? value : null)

test('announcements: what can be read is read, the rest is left out', () => {
  const good = { key: 'a', epoch: 1, version: 2, document: 'd' }
  const removal = { ...good, document: null }
  const text = JSON.stringify([
    good,
    removal,
    { ...good, version: -1 },
    { ...good, document: 7 },
    { key: 'a' },
    null,
    'x',
  ])
  expect(readAnnouncements(text, parse)).toEqual([good, removal])
  expect(readAnnouncements('{}', parse)).toBeNull()
  expect(readAnnouncements('not json', parse)).toBeNull()
})

test('replies', () => {
  expect(readReplies('[{"to":"a","outcome":{"code":"ok"}},{"to":1,"outcome":2},{"to":"b"}]')).toEqual([
    { to: 'a', outcome: { code: 'ok' } },
  ])
  expect(readReplies('null')).toBeNull()
})

test('progress', () => {
  const progress = { topic: 't', partition: 0, nextOffset: 7, perSecond: 12.5 }
  expect(readPublishedProgress(JSON.stringify(progress))).toEqual(progress)
  for (const bad of ['7', '{}', '[]', '', JSON.stringify({ ...progress, nextOffset: '7' })]) {
    expect(readPublishedProgress(bad)).toBeNull()
  }
})
