import { afterAll, expect, test } from 'vitest'
import { createMemoryWorld } from './memory-world.ts'

const world = createMemoryWorld()
const { app, records } = world
afterAll(() => app.close())

const SLOT = '11111111-2222-4333-8444-555555555555'
const good = { slot_id: SLOT, user_id: 'u1' }
const slot = {
  name: 'Hall',
  start_time: '2026-05-01T10:00:00Z',
  end_time: '2026-05-01T12:00:00Z',
  capacity: 10,
}
const confirmUrl = `/reservations/${SLOT}/confirm`
const booking = (change: object) => ({ user_id: 'u', items: [{ slot_id: SLOT, ...change }] })

async function post(url: string, payload: unknown, headers: Record<string, string> = {}) {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
  const answer = await app.inject({
    method: 'POST',
    url,
    payload: text,
    headers: { 'content-type': 'application/json', ...headers },
  })
  return { status: answer.statusCode, body: answer.json(), headers: answer.headers }
}

const wrong: readonly (readonly [string, string, unknown, string])[] = [
  ['quantity 0', '/reservations', { ...good, quantity: 0 }, '/quantity'],
  ['quantity 2.5', '/reservations', { ...good, quantity: 2.5 }, '/quantity'],
  ['quantity 10^9', '/reservations', { ...good, quantity: 1e9 }, '/quantity'],
  ['quantity as text', '/reservations', { ...good, quantity: '1' }, '/quantity'],
  ['quantity null', '/reservations', { ...good, quantity: null }, '/quantity'],
  ['an unknown field', '/reservations', { ...good, colour: 'red' }, '/colour'],
  ['a field with a slash', '/reservations', { ...good, 'a/b~c': 1 }, '/a~1b~0c'],
  ['a bad UUID', '/reservations', { ...good, slot_id: 'nope' }, '/slot_id'],
  ['no user', '/reservations', { slot_id: SLOT }, '/user_id'],
  ['a control character in the user', '/reservations', { ...good, user_id: 'a\u0007' }, '/user_id'],
  ['a TTL of 0', '/reservations', { ...good, hold_ttl_seconds: 0 }, '/hold_ttl_seconds'],
  ['a TTL of a year', '/reservations', { ...good, hold_ttl_seconds: 365 * 86_400 }, '/hold_ttl_seconds'],
  ['a TTL over a week', '/reservations', { ...good, hold_ttl_seconds: 604_801 }, '/hold_ttl_seconds'],
  ['a TTL as text', '/reservations', { ...good, hold_ttl_seconds: '60' }, '/hold_ttl_seconds'],
  ['a TTL of half a second', '/reservations', { ...good, hold_ttl_seconds: 0.5 }, '/hold_ttl_seconds'],
  ['a mode that is none', '/reservations', { ...good, mode: 'held' }, '/mode'],
  ['join_waitlist as text', '/reservations', { ...good, join_waitlist: 'true' }, '/join_waitlist'],
  ['a booking’s id', '/reservations', { ...good, booking_id: SLOT }, '/booking_id'],
  ['a late that is none', confirmUrl, { late: 'always' }, '/late'],
  ['a confirmation by nobody', confirmUrl, { user_id: '' }, '/user_id'],
  ['a confirmation with more', confirmUrl, { quantity: 2 }, '/quantity'],
  ['a booking of nothing', '/bookings', { user_id: 'u', items: [] }, '/items'],
  ['a booking of 21', '/bookings', { user_id: 'u', items: Array(21).fill({ slot_id: SLOT }) }, '/items'],
  ['a booking for nobody', '/bookings', { items: [{ slot_id: SLOT }] }, '/user_id'],
  ['a booking of 0 units', '/bookings', booking({ quantity: 0 }), '/items/0/quantity'],
  ['a booking with more', '/bookings', booking({ user_id: 'u' }), '/items/0/user_id'],
  [
    'a booking’s TTL of 0',
    '/bookings',
    { ...booking({}), mode: 'hold', hold_ttl_seconds: 0 },
    '/hold_ttl_seconds',
  ],
  ['a TTL of no hold', '/bookings', { ...booking({}), hold_ttl_seconds: 60 }, '/hold_ttl_seconds'],
  ['a booking that joins a waitlist', '/bookings', { ...booking({}), join_waitlist: true }, '/join_waitlist'],
  ['a booking’s confirmation with late', `/bookings/${SLOT}/confirm`, { late: 'rehold' }, '/late'],
  ['a slot’s TTL of 0', '/slots', { ...slot, hold_ttl_seconds: 0 }, '/hold_ttl_seconds'],
  ['a slot’s TTL of a year', '/slots', { ...slot, hold_ttl_seconds: 365 * 86_400 }, '/hold_ttl_seconds'],
  ['a limit of nobody', '/slots', { ...slot, max_per_user: 0 }, '/max_per_user'],
  ['a limit of 1001', '/slots', { ...slot, max_per_user: 1001 }, '/max_per_user'],
  ['a waitlist of 5', '/slots', { ...slot, waitlist: 5 }, '/waitlist'],
  ['a list for a body', '/reservations', [], ''],
  ['null for a body', '/reservations', 'null', ''],
  ['null for a body that may be left out', confirmUrl, 'null', ''],
  ['metadata that is a list', '/reservations', { ...good, metadata: [] }, '/metadata'],
  ['NUL in metadata', '/reservations', { ...good, metadata: { a: ['\0'] } }, '/metadata'],
  ['a lone surrogate in metadata', '/reservations', { ...good, metadata: { a: '\ud800' } }, '/metadata'],
  ['metadata over 4 KiB', '/reservations', { ...good, metadata: { a: 'x'.repeat(4090) } }, '/metadata'],
  ['an empty key', '/reservations', { ...good, idempotency_key: '' }, '/idempotency_key'],
  ['a batch of none', '/reservations/batch', { items: [] }, '/items'],
  ['a batch of 1001', '/reservations/batch', { items: Array(1001).fill(good) }, '/items'],
  ['an end before the start', '/slots', { ...slot, end_time: slot.start_time }, '/end_time'],
  ['a time without an offset', '/slots', { ...slot, start_time: '2026-05-01T10:00:00' }, '/start_time'],
  ['30 February', '/slots', { ...slot, start_time: '2026-02-30T10:00:00Z' }, '/start_time'],
  ['a year out of reach', '/slots', { ...slot, end_time: '9999-12-31T23:59:59-01:00' }, '/end_time'],
  ['a negative capacity', '/slots', { ...slot, capacity: -1 }, '/capacity'],
  [
    'sales that close before they open',
    '/slots',
    { ...slot, sales_open_at: '2026-04-02T00:00:00Z', sales_close_at: '2026-04-01T00:00:00Z' },
    '/sales_close_at',
  ],
]

test.each(wrong)('%s: 422 with a pointer, and nothing is enqueued', async (_name, url, payload, pointer) => {
  const before = records.length
  const { status, body, headers } = await post(url, payload)
  expect(headers['content-type']).toBe('application/problem+json; charset=utf-8')
  expect([status, body.code, body.errors[0].in, body.errors[0].pointer]).toEqual([
    422,
    'invalid-request',
    'body',
    pointer,
  ])
  expect(body.instance).toBe(url)
  expect(body.request_id).toBe(headers['x-request-id'])
  expect(records.length).toBe(before)
})

test('all faults of a body are listed, up to 20', async () => {
  const { body } = await post('/reservations', { slot_id: 1, quantity: 0 })
  expect(body.errors.map((error: { pointer: string }) => error.pointer)).toEqual([
    '/slot_id',
    '/user_id',
    '/quantity',
  ])
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`f${index}`, 1]))
  expect((await post('/reservations', { ...good, ...many })).body.errors).toHaveLength(20)
})

test.each([
  ['{"slot_id":', 'malformed-json'],
  ['', 'malformed-json'],
  ['{"__proto__":{"x":1}}', 'malformed-json'],
  ['{"slot_id":"a","constructor":{"prototype":{"x":1}}}', 'malformed-json'],
])('malformed JSON %j: 400', async (payload, code) => {
  const { status, body } = await post('/reservations', payload)
  expect([status, body.code]).toEqual([400, code])
})

test('deeply nested JSON is refused, not a fault', async () => {
  const { status, body } = await post(
    '/reservations',
    `{"metadata":${'{"a":'.repeat(8000)}1${'}'.repeat(8000)}}`,
  )
  expect([status, body.code]).toEqual([422, 'invalid-request'])
  const deep = `{"slot_id":"${SLOT}","user_id":"u","metadata":${'{"a":'.repeat(9)}1${'}'.repeat(9)}}`
  expect((await post('/reservations', deep)).body.errors[0].pointer).toBe('/metadata')
})

test('a body that is not plain UTF-8 JSON is refused as it is', async () => {
  const send = (payload: Buffer | string, headers: Record<string, string>) =>
    world.app.inject({ method: 'POST', url: '/reservations', payload, headers })
  const json = JSON.stringify(good)
  const broken = Buffer.from(json.replace('"u"', '"_"'))
  broken[broken.lastIndexOf('_')] = 0xff
  const type = { 'content-type': 'application/json' }
  const answers = [
    await send(broken, type),
    await send(json, { 'content-type': 'application/json; charset=iso-8859-1' }),
    await send(json, { ...type, 'content-encoding': 'gzip' }),
    await send(json, { 'content-type': 'application/json; charset=UTF-8' }),
  ]
  expect(answers.map((answer) => answer.statusCode)).toEqual([400, 415, 415, 202])
  expect(answers[0]?.json()).toMatchObject({
    code: 'malformed-json',
    errors: [{ in: 'body', pointer: '', detail: 'is not UTF-8' }],
  })
})

test('a body over the limit: 413; a full batch with full metadata is within it', async () => {
  const over = await post('/reservations', { ...good, metadata: { a: 'x'.repeat(70_000) } })
  expect([over.status, over.body.code]).toEqual([413, 'body-too-large'])
  const items = Array.from({ length: 1000 }, (_, index) => ({
    ...good,
    user_id: `u${index}`,
    metadata: { a: 'x'.repeat(4088) },
  }))
  const full = await post('/reservations/batch', { items })
  expect(full.status).toBe(202)
  expect(full.body.items).toHaveLength(1000)
})

test('another content type, or none: 415', async () => {
  for (const headers of [{ 'content-type': 'text/plain' }, { 'content-type': 'application/xml' }]) {
    const { status, body } = await post('/reservations', JSON.stringify(good), headers)
    expect([status, body.code]).toEqual([415, 'unsupported-media-type'])
  }
})

test('unknown paths 404, known paths with another method 405 with Allow', async () => {
  const unknown = await app.inject({ url: '/nothing/here' })
  expect([unknown.statusCode, unknown.json().code]).toEqual([404, 'not-found'])
  const put = await app.inject({ method: 'PUT', url: `/slots/${SLOT}` })
  expect([put.statusCode, put.json().code, put.headers.allow]).toEqual([
    405,
    'method-not-allowed',
    'GET, HEAD, PATCH',
  ])
  const list = await app.inject({ method: 'DELETE', url: '/reservations' })
  expect([list.statusCode, list.headers.allow]).toEqual([405, 'POST'])
  // A path of its own beside /reservations/:id: it is not a reservation whose id is "batch".
  for (const method of ['GET', 'DELETE', 'PATCH'] as const) {
    const batch = await app.inject({ method, url: '/reservations/batch' })
    expect([method, batch.statusCode, batch.headers.allow]).toEqual([method, 405, 'POST'])
  }
})

test.each([
  ['/slots/nope', 'path', '/id'],
  [`/slots/${'a'.repeat(300)}`, 'path', '/id'],
  ['/slots?limit=0', 'query', '/limit'],
  ['/slots?limit=101', 'query', '/limit'],
  ['/slots?limit=1e1', 'query', '/limit'],
  ['/slots?avail=true', 'query', '/avail'],
  ['/slots?available=yes', 'query', '/available'],
  ['/slots?from=yesterday', 'query', '/from'],
  ['/slots?limit=1&limit=2', 'query', '/limit'],
  [`/slots/${SLOT}?min_version=-1`, 'query', '/min_version'],
  ['/reservations/nope', 'path', '/id'],
  [`/reservations/${SLOT}?wait=31`, 'query', '/wait'],
  [`/reservations/${SLOT}?wait=0`, 'query', '/wait'],
  ['/bookings/nope', 'path', '/id'],
  [`/bookings/${SLOT}?wait=x`, 'query', '/wait'],
  [`/slots/${SLOT}/reservations?limit=101`, 'query', '/limit'],
  [`/slots/${SLOT}/reservations?status=sold`, 'query', '/status'],
  ['/users/a%00b/reservations', 'path', '/user_id'],
  ['/users/u/reservations?status=held', 'query', '/status'],
])('GET %s is refused by its %s', async (url, part, pointer) => {
  const answer = await app.inject({ url })
  expect(answer.statusCode).toBe(422)
  expect(answer.json().errors[0]).toMatchObject({ in: part, pointer })
})

test.each(['/slots/%E0%A4%A', `/slots/${'a'.repeat(600)}`])(
  'a path that cannot be read %s: 400',
  async (url) => {
    const answer = await app.inject({ url })
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'bad-request'])
  },
)

test.each(['\u00e9', 'x'.repeat(256), ''])(
  'a bad Idempotency-Key %j: 422 that names the header',
  async (key) => {
    const { status, body } = await post('/reservations', good, { 'idempotency-key': key })
    expect([status, body.errors[0].in, body.errors[0].pointer]).toEqual([422, 'header', '/idempotency-key'])
  },
)

test('a cancellation by somebody who is none is refused by its query', async () => {
  for (const url of [`/reservations/${SLOT}`, `/bookings/${SLOT}`]) {
    const answer = await app.inject({ method: 'DELETE', url: `${url}?user_id=` })
    expect([answer.statusCode, answer.json().errors[0].pointer]).toEqual([422, '/user_id'])
  }
})

test('a PATCH that changes nothing, and one of a closed list', async () => {
  const patch = (payload: object) => app.inject({ method: 'PATCH', url: `/slots/${SLOT}`, payload })
  expect((await patch({})).json().code).toBe('invalid-request')
  expect((await patch({ idempotency_key: 'k' })).json().code).toBe('invalid-request')
  expect((await patch({ status: 'burnt' })).json().errors[0].pointer).toBe('/status')
})

test('a bad item of a batch is answered in its place and spoils nothing', async () => {
  const before = records.length
  const items = [
    good,
    { ...good, quantity: 0 },
    'nonsense',
    { ...good, metadata: { a: '\0' } },
    { ...good, user_id: 'u2' },
  ]
  const { status, body } = await post('/reservations/batch', { items })
  expect(status).toBe(202)
  expect(
    body.items.map((item: { status?: string; error?: { code: string } }) => item.status ?? item.error?.code),
  ).toEqual(['pending', 'invalid-request', 'invalid-request', 'invalid-request', 'pending'])
  expect(body.items[1].error.errors[0].pointer).toBe('/items/1/quantity')
  expect(body.items[3].error.errors[0].pointer).toBe('/items/3/metadata')
  expect(records.length).toBe(before + 2)
})

test('an unsafe X-Request-Id is replaced', async () => {
  const answer = await app.inject({ url: '/health/live', headers: { 'x-request-id': 'a b"c' } })
  expect(answer.headers['x-request-id']).toMatch(/^test-/)
  expect(answer.headers['x-content-type-options']).toBe('nosniff')
})
