import { expect, test } from 'vitest'
import {
  type HttpAnswer,
  readCommandAnswer,
  readDocumentAnswer,
  readRetryKey,
  readSlotAnswer,
} from './answers.ts'
import type { Intent } from './history.ts'

const reserve: Intent = {
  type: 'reserve',
  slotId: 's',
  name: 'n',
  userId: 'u',
  quantity: 2,
  holdTtlSeconds: null,
  joinWaitlist: false,
}

function answer(status: number, body: unknown, headers: Record<string, string> = {}): HttpAnswer {
  return { status, headers: new Headers(headers), body }
}
const waited = { 'preference-applied': 'wait' }
const transitions = [{ status: 'confirmed', at: '1970-01-01T00:00:01.000Z' }]
const confirmed = { id: 'r', status: 'confirmed', quantity: 2, slot_version: 7, transitions }
const told = { status: 'confirmed', quantity: 2, slotVersion: 7, life: 'confirmed@1000' }

test.each([
  [
    'a 202 that is pending is accepted',
    answer(202, { id: 'r', status: 'pending' }),
    { type: 'accepted', id: 'r' },
  ],
  [
    'a 201 is the decision',
    answer(201, confirmed, waited),
    {
      type: 'decided',
      id: 'r',
      decision: { code: 'ok', document: told },
    },
  ],
  [
    'so is a 202 that is not pending: it waits in line',
    answer(202, { ...confirmed, status: 'waitlisted' }, waited),
    { type: 'decided', id: 'r', decision: { code: 'ok', document: { ...told, status: 'waitlisted' } } },
  ],
  [
    'a rejection that was waited for is the decision',
    answer(409, { code: 'sold-out', id: 'r' }, waited),
    { type: 'decided', id: 'r', decision: { code: 'sold-out', document: null } },
  ],
  [
    'a rejection by the edge is none: it has no id',
    answer(404, { code: 'slot-not-found' }, waited),
    { type: 'refused' },
  ],
  ['a broken request is refused', answer(422, { code: 'invalid-request' }), { type: 'refused' }],
  ['an unavailable log has accepted nothing', answer(503, { code: 'log-unavailable' }), { type: 'refused' }],
  ['overload has accepted nothing', answer(503, { code: 'overloaded' }), { type: 'refused' }],
  [
    'an unknown outcome is unknown',
    answer(503, { code: 'outcome-unknown', id: 'r' }, waited),
    { type: 'unknown' },
  ],
  [
    'an internal error says nothing',
    answer(500, { code: 'internal' }),
    { type: 'unknown', code: 'internal' },
  ],
  [
    'a success that cannot be read says nothing',
    answer(201, { id: 'r', status: 'held' }),
    { type: 'unknown', code: 'unreadable' },
  ],
  ['neither does an empty one', answer(202, null), { type: 'unknown', code: 'unreadable' }],
])('%s', (_what, given, expected) => {
  expect(readCommandAnswer(reserve, given)).toMatchObject({ ...expected, status: given.status })
})

test('an unknown outcome hands out the key to repeat with', () => {
  expect(readRetryKey({ code: 'outcome-unknown', idempotency_key: 'retry.x' })).toBe('retry.x')
  expect(readRetryKey({ code: 'overloaded' })).toBeNull()
  expect(readRetryKey({ id: 'r' })).toBeNull()
})

test('a slot is read with its epoch, and only where it is one', () => {
  const body = { reserved_count: 3, capacity: 5, version: 4 }
  const given = answer(200, body, { etag: 'W/"2.4"' })
  expect(readSlotAnswer('s', given)).toEqual({
    slotId: 's',
    epoch: 2,
    version: 4,
    reservedUnits: 3,
    capacityUnits: 5,
  })
  expect(readSlotAnswer('s', answer(200, body))).toBeNull()
  expect(readSlotAnswer('s', answer(503, { code: 'reads-unavailable' }))).toBeNull()
})

test('an undecided reservation says nothing', () => {
  expect(readDocumentAnswer('reservation', answer(200, { id: 'r', status: 'pending' }))).toBeNull()
  expect(readDocumentAnswer('reservation', answer(404, { code: 'not-decided-or-unknown' }))).toBeNull()
  const failed = readDocumentAnswer('reservation', answer(200, { id: 'r', status: 'failed' }))
  expect(failed).toMatchObject({ id: 'r', told: { status: 'failed' } })
})

test('what was read of a reservation or booking is its whole life', () => {
  expect(readDocumentAnswer('reservation', answer(200, confirmed))).toEqual({ id: 'r', told })
  const booking = { id: 'k', status: 'confirmed', transitions }
  expect(readDocumentAnswer('booking', answer(200, booking))).toEqual({
    id: 'k',
    told: { ...told, quantity: null, slotVersion: null },
  })
})
