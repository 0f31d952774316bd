/** Bodies that are made to do harm. What is only wrong is in bad-input.unit.test.ts. */
import { afterAll, expect, test } from 'vitest'
import { createMemoryWorld } from './memory-world.ts'

const { app, records } = createMemoryWorld()
afterAll(() => app.close())

const SLOT = '11111111-2222-4333-8444-555555555555'

async function post(url: string, payload: string) {
  const headers = { 'content-type': 'application/json' }
  const answer = await app.inject({ method: 'POST', url, payload, headers })
  return { status: answer.statusCode, body: answer.json() }
}

test.each([
  [
    'an item of a batch',
    '/reservations/batch',
    `{"items":[{"slot_id":"${SLOT}","__proto__":{"admin":true}}]}`,
  ],
  ['metadata', '/reservations', `{"slot_id":"${SLOT}","user_id":"u","metadata":{"a":{"__proto__":{}}}}`],
  ['metadata of a slot', '/slots', `{"metadata":{"constructor":{"prototype":{"admin":true}}}}`],
  ['a booking', '/bookings', `{"user_id":"u","items":[{"\\u005f_proto__":{}}]}`],
])('keys that change prototypes in %s: 400, and nothing has changed', async (_name, url, payload) => {
  const before = records.length
  const { status, body } = await post(url, payload)
  expect([status, body.code]).toEqual([400, 'malformed-json'])
  expect(records.length).toBe(before)
  expect(({} as { admin?: boolean }).admin).toBeUndefined()
})

test('keys that change prototypes in a query are unknown fields', async () => {
  for (const name of ['__proto__', 'constructor', '__proto__[limit]']) {
    const answer = await app.inject({ url: `/slots?${name}=1` })
    expect([name, answer.statusCode, answer.json().code]).toEqual([name, 422, 'invalid-request'])
  }
})

test('a list nested thousands deep is refused, not a fault', async () => {
  const deep = `${'['.repeat(25_000)}${']'.repeat(25_000)}`
  for (const [url, payload] of [
    ['/reservations', deep],
    ['/reservations', `{"slot_id":"${SLOT}","user_id":"u","metadata":{"a":${deep}}}`],
    ['/slots', `{"metadata":{"a":${deep}}}`],
  ] as const) {
    const { status, body } = await post(url, payload)
    expect([url, status, body.code]).toEqual([url, 422, 'invalid-request'])
  }
})

test('text that is not UTF-8 is refused, whatever its charset is called', async () => {
  const payload = JSON.stringify({ slot_id: SLOT, user_id: 'ü' })
  for (const [charset, encoding] of [
    ['utf-16', 'utf16le'],
    ['iso-8859-1', 'latin1'],
  ] as const) {
    const send = (type: string) =>
      app.inject({
        method: 'POST',
        url: '/reservations',
        payload: Buffer.from(payload, encoding),
        headers: { 'content-type': type },
      })
    const said = await send(`application/json; charset=${charset}`)
    expect([said.statusCode, said.json().code]).toEqual([415, 'unsupported-media-type'])
    const hidden = await send('application/json; charset=utf-8')
    expect([hidden.statusCode, hidden.json().code]).toEqual([400, 'malformed-json'])
  }
  expect(records).toHaveLength(0)
})
