import { mintId } from '@ironsys/contracts'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { acceptedType } from './accept.ts'
import { csvOf } from './csv.ts'
import { createMemoryClient, type MemoryClient, OTHER_SLOT, SLOT } from './memory-client.ts'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'

let world: MemoryWorld
let client: MemoryClient
beforeEach(async () => {
  world = createMemoryWorld()
  world.eager = true
  client = createMemoryClient(world)
  await client.makeSlot()
})
afterEach(() => world.app.close())

interface PageBody {
  readonly items: readonly { readonly id: string; readonly user_id: string }[]
  readonly next_cursor: string | null
}

async function walk(url: string): Promise<string[]> {
  const users: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: PageBody = (await client.call('GET', `${url}${cursor === '' ? '' : `&cursor=${cursor}`}`))
      .body
    users.push(...page.items.map((item) => item.user_id))
    cursor = page.next_cursor
  }
  return users
}

async function reserveFive(): Promise<string[]> {
  const ids: string[] = []
  for (const n of [1, 2, 3, 4, 5]) {
    const { body } = await client.reserve({ user_id: `u${n}`, ...(n % 2 === 0 && { mode: 'hold' }) })
    ids.push(body.id)
  }
  return ids
}

describe('GET /slots/:id/reservations', () => {
  test('pages follow each other without gaps, filtered by status', async () => {
    await reserveFive()
    await client.makeSlot({ id: OTHER_SLOT })
    await client.reserve({ slot_id: OTHER_SLOT, user_id: 'elsewhere' })
    const url = `/slots/${SLOT}/reservations`
    expect((await walk(`${url}?limit=2`)).sort()).toEqual(['u1', 'u2', 'u3', 'u4', 'u5'])
    expect((await walk(`${url}?limit=1&status=held`)).sort()).toEqual(['u2', 'u4'])
    const { body, headers } = await client.call('GET', url)
    expect(body.items[0]).toMatchObject({
      slot_id: SLOT,
      quantity: 1,
      transitions: [{ status: expect.any(String) }],
    })
    expect([headers['cache-control'], headers.vary]).toEqual(['private, no-store', 'accept'])
  })

  test('an unknown slot, a cursor of another slot, a status that is none', async () => {
    await reserveFive()
    const missing = SLOT.replace('1', '9')
    expect(await client.tell('GET', `/slots/${missing}/reservations`)).toBe('404 slot-not-found')
    const foreign = Buffer.from(mintId(OTHER_SLOT, 1)).toString('base64url')
    const nonsense = Buffer.from('nonsense').toString('base64url')
    for (const cursor of [foreign, nonsense]) {
      expect(await client.tell('GET', `/slots/${SLOT}/reservations?cursor=${cursor}`)).toBe(
        '400 invalid-cursor',
      )
    }
    const { body } = await client.call('GET', `/slots/${SLOT}/reservations?status=pending`)
    expect([body.code, body.errors[0].pointer]).toEqual(['invalid-request', '/status'])
  })
})

describe('as CSV', () => {
  const url = `/slots/${SLOT}/reservations`
  const csv = (query = '') => client.call('GET', url + query, undefined, { accept: 'text/csv' })

  test('all of them, quoted, and no text that a spreadsheet would run', async () => {
    await client.reserve({ user_id: '=HYPERLINK("http://evil")', metadata: { note: 'a "b", c' } })
    for (const user_id of ['+1', '-1', '@sum', ' \u00a0=1', '\uff1d1', ' a=b', 'plain, "quoted"'])
      await client.reserve({ user_id })
    const { status, headers, text } = await csv()
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('text/csv; charset=utf-8; header=present')
    expect(headers['content-disposition']).toBe(`attachment; filename="reservations-${SLOT}.csv"`)
    const lines = text.split('\r\n')
    expect(lines[0]).toBe(
      'id,slot_id,user_id,quantity,status,reason,created_at,expires_at,booking_id,slot_version,metadata',
    )
    expect(lines).toHaveLength(10)
    const users = lines.slice(1, -1).map((line) => line.slice(74, line.indexOf(',1,confirmed')))
    expect(users.sort()).toEqual([
      ' a=b',
      `"'=HYPERLINK(""http://evil"")"`,
      '"plain, ""quoted"""',
      "' \u00a0=1",
      "'+1",
      "'-1",
      "'@sum",
      "'\uff1d1",
    ])
    expect(text).toContain(`"{""note"":""a \\""b\\"", c""}"`)
  })

  test('more than a page, by status, and empty with a head', async () => {
    const items = Array.from({ length: 1000 }, (_, n) => ({ slot_id: SLOT, user_id: `u${n}` }))
    await client.call('POST', '/reservations/batch', { items })
    await client.reserve({ user_id: 'last', mode: 'hold' })
    const linesOf = async (query: string) => (await csv(query)).text.split('\r\n').length - 2
    expect(await linesOf('')).toBe(1001)
    expect(await linesOf('?status=rejected')).toBe(991)
    expect(await linesOf('?status=waitlisted')).toBe(0)
  })

  test('takes no page; HEAD reads no more than a row', async () => {
    for (const field of ['limit=1', `cursor=${Buffer.from(SLOT).toString('base64url')}`]) {
      expect((await csv(`?${field}`)).status).toBe(422)
    }
    const pages = vi.spyOn(world.deps.reads, 'reservationsOfSlot')
    const head = await client.call('HEAD', url, undefined, { accept: 'text/csv' })
    expect(pages.mock.calls).toEqual([[{ slotId: SLOT, limit: 1 }]])
    expect([head.status, head.text, head.headers['content-type']]).toEqual([
      200,
      '',
      'text/csv; charset=utf-8; header=present',
    ])
  })

  test('what is neither is 406; an outage is said before the file begins', async () => {
    const image = await client.call('GET', url, undefined, { accept: 'image/png' })
    expect([image.status, image.body.code, image.headers.vary]).toEqual([406, 'not-acceptable', 'accept'])
    world.outage = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    expect((await csv()).body.code).toBe('reads-unavailable')
    world.outage = null
  })

  test('a page that fails, or a shutdown, breaks the stream instead of ending it', async () => {
    const items = [(await client.reserve()).body]
    const read = async (stream: AsyncIterable<unknown>) => {
      for await (const _ of stream);
    }
    const failing = csvOf(
      { items, next: 'a' },
      () => Promise.reject(new Error('gone')),
      new AbortController().signal,
    )
    await expect(read(failing)).rejects.toThrow('gone')
    const closing = new AbortController()
    let loads = 0
    const endless = csvOf(
      { items, next: 'a' },
      async (next) => {
        if (++loads === 3) closing.abort()
        return { items, next }
      },
      closing.signal,
    )
    await expect(read(endless)).rejects.toThrow('aborted')
  })

  test('no page is read before the client has taken what is there', async () => {
    const { body } = await client.reserve({ metadata: { a: 'x'.repeat(4000) } })
    const items = Array.from({ length: 100 }, () => body)
    let loads = 0
    const stream = csvOf(
      { items, next: 1 },
      async (next) => {
        loads++
        return { items, next: next < 50 ? next + 1 : null }
      },
      new AbortController().signal,
    )
    await expect.poll(() => stream.readableLength).toBeGreaterThan(0)
    await new Promise((resolve) => setImmediate(resolve))
    expect(loads).toBeLessThanOrEqual(1)
    let bytes = 0
    for await (const chunk of stream) bytes += chunk.length
    expect(bytes).toBeGreaterThan(100 * 51 * 4000)
    expect(loads).toBe(50)
  })
})

test('a user’s reservations, the newest first, over all slots', async () => {
  await client.makeSlot({ id: OTHER_SLOT })
  const ids: string[] = []
  for (const slot_id of [SLOT, OTHER_SLOT, SLOT]) ids.push((await client.reserve({ slot_id })).body.id)
  await client.reserve({ user_id: 'somebody else' })
  const first = (await client.call('GET', '/users/u1/reservations?limit=2')).body
  const second = (await client.call('GET', `/users/u1/reservations?cursor=${first.next_cursor}`)).body
  const listed = [...first.items, ...second.items].map(({ id }: { id: string }) => id)
  expect(listed).toEqual(ids.toReversed())
  expect(second.next_cursor).toBeNull()
  expect((await client.call('GET', '/users/nobody/reservations')).body).toEqual({
    items: [],
    next_cursor: null,
  })
  expect(await client.tell('GET', '/users/u1/reservations?cursor=bm90IGE')).toBe('400 invalid-cursor')
})

test('the longest user id there is fits into the path', async () => {
  const user_id = '\u{1f600}'.repeat(128)
  await client.reserve({ user_id })
  const { status, body } = await client.call('GET', `/users/${encodeURIComponent(user_id)}/reservations`)
  expect([status, body.items?.length]).toEqual([200, 1])
  const beyond = await client.call('GET', `/users/${'u'.repeat(129)}/reservations`)
  expect([beyond.status, beyond.body.errors[0].pointer]).toEqual([422, '/user_id'])
})

test.each([
  [undefined, 'application/json'],
  ['', 'application/json'],
  ['*/*', 'application/json'],
  ['text/csv', 'text/csv'],
  ['TEXT/CSV; header=present', 'text/csv'],
  ['text/*', 'text/csv'],
  ['application/json, text/csv', 'application/json'],
  ['application/json;q=0.5, text/csv', 'text/csv'],
  ['text/csv;q=0.1, */*', 'application/json'],
  ['*/*;q=0.1, text/csv; q=0.2', 'text/csv'],
  ['text/csv;q=0, */*', 'application/json'],
  ['application/json;q=0', null],
  ['text/html', null],
  ['text/csv;q=nonsense', null],
  ['text/csv;q=2', null],
])('Accept %j gives %j', (header, type) => {
  expect(acceptedType(header, ['application/json', 'text/csv'])).toBe(type)
})
