/** Two callers over HTTP who never see each other's reservations, and who is more than that. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createCallers } from './callers.fixture.ts'
import { createMemoryClient, SLOT, slotBody } from './memory-client.ts'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'

const worlds: MemoryWorld[] = []
afterEach(async () => {
  for (const { app } of worlds.splice(0)) await app.close()
})

const UNKNOWN = '31111111-2222-4333-8444-555555555555'

async function open(options: { readonly waitsPerCaller?: number } = {}) {
  const callers = createCallers()
  const world = createMemoryWorld({ authenticator: callers.authenticator, ...options })
  worlds.push(world)
  world.eager = true
  const { call } = createMemoryClient(world)
  const as = (credentials: object) => {
    const headers = (more: Record<string, string> = {}) => ({ ...credentials, ...more })
    return {
      call: (
        method: 'GET' | 'POST' | 'DELETE',
        url: string,
        payload?: object,
        more?: Record<string, string>,
      ) => call(method, url, payload, headers(more)),
      tell: async (method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object) => {
        const { status, body } = await call(method, url, payload, headers({ prefer: 'wait=5' }))
        return `${status} ${body.code ?? body.status}`
      },
    }
  }
  const [ann, bob, operator] = [
    as(await callers.user('ann')),
    as(await callers.user('bob')),
    as(await callers.user('olga', ['operate'])),
  ]
  await call('POST', '/slots', slotBody({ hold_ttl_seconds: 600, waitlist: true }), {
    prefer: 'wait=5',
    ...(await callers.user('adam', ['admin'])),
  })
  const things = {
    reservation: async () =>
      (await ann.call('POST', '/reservations', { slot_id: SLOT, user_id: 'ann' }, { prefer: 'wait=5' })).body,
    booking: async () =>
      (
        await ann.call(
          'POST',
          '/bookings',
          { user_id: 'ann', mode: 'hold', items: [{ slot_id: SLOT }] },
          { prefer: 'wait=5' },
        )
      ).body,
  }
  return { world, callers, as, ann, bob, operator, things }
}

/** Without what differs from request to request, and with one id for another. */
function comparable(
  answer: { readonly status: number; readonly headers: object; readonly text: string },
  id: string,
) {
  const { headers } = answer
  const varies = ['x-request-id', 'content-length', 'date']
  const kept = Object.entries(headers).filter(([name]) => !varies.includes(name))
  const body = answer.text
    .replaceAll(id, UNKNOWN)
    .replaceAll(/"(cursor|request_id|created_at)":"[^"]*"/g, '"$1":"…"')
    .replaceAll(/"queue":\{[^}]*\}/g, '"queue":…')
  return {
    status: answer.status,
    headers: Object.fromEntries(kept.map(([name, value]) => [name, String(value).replaceAll(id, UNKNOWN)])),
    body,
  }
}

describe.each(['reservation', 'booking'] as const)('a %s of somebody else', (thing) => {
  const path = `/${thing}s`

  test('reads, confirms and cancels as one that does not exist, to the letter', async () => {
    const { bob, things } = await open()
    const { id } = await things[thing]()
    const asks: (readonly ['GET' | 'POST' | 'DELETE', string, Record<string, string>])[] = [
      ['GET', '', {}],
      ['GET', '?wait=1', {}],
      ['POST', '/confirm', {}],
      ['POST', '/confirm', { prefer: 'wait=5' }],
      ['POST', '/confirm', { prefer: 'wait=5', 'idempotency-key': 'k' }],
      ['DELETE', '', {}],
      ['DELETE', '', { prefer: 'wait=5' }],
    ]
    for (const [method, rest, headers] of asks) {
      const ask = (of: string) => bob.call(method, `${path}/${of}${rest}`, undefined, headers)
      const [theirs, unknown] = [await ask(id), await ask(UNKNOWN)]
      expect([method, rest, comparable(theirs, id)]).toEqual([method, rest, comparable(unknown, UNKNOWN)])
      expect(theirs.text).not.toContain('ann')
      if (theirs.status !== 202) continue
      // The cursor of a command of one's own says no more.
      const [seen, nothing] = [
        await bob.call('GET', `${path}/${id}?cursor=${theirs.body.cursor}&wait=1`),
        await bob.call('GET', `${path}/${UNKNOWN}?cursor=${unknown.body.cursor}&wait=1`),
      ]
      expect(comparable(seen, id)).toEqual(comparable(nothing, UNKNOWN))
      expect(seen.body.code).toBe(`${thing}-not-found`)
    }
  })

  test('stays what it was, and is its owner’s', async () => {
    const { ann, bob, things } = await open()
    const { id } = await things[thing]()
    expect(await bob.tell('DELETE', `${path}/${id}`)).toBe(`404 ${thing}-not-found`)
    expect(await bob.tell('POST', `${path}/${id}/confirm`)).toBe(`404 ${thing}-not-found`)
    expect(await ann.tell('GET', `${path}/${id}`)).toBe('200 held')
    expect(await ann.tell('POST', `${path}/${id}/confirm`)).toBe('200 confirmed')
    expect(await ann.tell('DELETE', `${path}/${id}`)).toBe('200 cancelled')
  })

  test('is not found when the writer’s reply is lost, and no sooner than one that does not exist', async () => {
    const { world, ann, bob, things } = await open()
    const { id: held } = await things[thing]()
    const { id: cancelled } = await things[thing]()
    expect(await ann.tell('DELETE', `${path}/${cancelled}`)).toBe('200 cancelled')
    // Outcomes are then read from the store.
    world.setLive(false)
    const said = async (of: string) => {
      const asks = [['DELETE', ''] as const, ['POST', '/confirm'] as const].map(async ([method, rest]) => {
        const answer = await bob.call(method, `${path}/${of}${rest}`, undefined, { prefer: 'wait=1' })
        return `${answer.status} ${answer.body.code ?? answer.body.status}`
      })
      return Promise.all(asks)
    }
    const all = () => Promise.all([held, cancelled, UNKNOWN].map(said))
    world.eager = false
    const pending = ['202 pending', '202 pending']
    expect(await all()).toEqual([pending, pending, pending])
    world.eager = true
    const notFound = [`404 ${thing}-not-found`, `404 ${thing}-not-found`]
    expect(await all()).toEqual([notFound, notFound, notFound])
  })

  test('cannot be seen with the cursor of its owner, nor as one that failed', async () => {
    const { world, ann, bob } = await open()
    world.eager = false
    const request = thing === 'booking' ? { items: [{ slot_id: SLOT }] } : { slot_id: SLOT }
    const { body } = await ann.call('POST', path, { user_id: 'ann', ...request })
    expect(await bob.tell('GET', `${path}/${body.id}?cursor=${body.cursor}`)).toBe('400 invalid-cursor')
    const [record] = world.records.slice(-1)
    if (record === undefined) throw new Error('nothing was appended')
    // The writer found it unreadable, and went on.
    world.bury(body.id)
    world.deps.progress.apply({ ...record, nextOffset: record.offset + 1, perSecond: 500 })
    expect(await bob.tell('GET', `${path}/${body.id}`)).toBe('404 not-decided-or-unknown')
    expect(await ann.tell('GET', `${path}/${body.id}?cursor=${body.cursor}`)).toBe('200 failed')
  })
})

describe('a user', () => {
  test('makes nothing in the name of another, also not within a batch', async () => {
    const { world, bob } = await open()
    const before = world.records.length
    const reserve = { slot_id: SLOT, user_id: 'ann' }
    expect(await bob.tell('POST', '/reservations', reserve)).toBe('403 forbidden')
    expect(await bob.tell('POST', '/bookings', { user_id: 'ann', items: [{ slot_id: SLOT }] })).toBe(
      '403 forbidden',
    )
    expect(await bob.tell('POST', `/reservations/${UNKNOWN}/confirm`, { user_id: 'ann' })).toBe(
      '403 forbidden',
    )
    expect(await bob.tell('DELETE', `/bookings/${UNKNOWN}?user_id=ann`)).toBe('403 forbidden')
    expect(world.records).toHaveLength(before)
    const { body } = await bob.call('POST', '/reservations/batch', {
      items: [reserve, { slot_id: SLOT, user_id: 'bob' }],
    })
    expect(body.items).toMatchObject([{ error: { code: 'forbidden' } }, { status: 'pending' }])
    expect(world.records).toHaveLength(before + 1)
  })

  test('lists what is its own; other users do not exist', async () => {
    const { ann, bob, operator, things } = await open()
    const { id } = await things.reservation()
    const list = async (who: typeof ann, user = 'ann') =>
      (await who.call('GET', `/users/${user}/reservations`)).body
    expect((await list(ann)).items).toMatchObject([{ id }])
    expect(await bob.tell('GET', '/users/ann/reservations')).toBe('404 user-not-found')
    expect(await bob.tell('GET', '/users/nobody/reservations')).toBe('404 user-not-found')
    expect((await list(operator)).items).toMatchObject([{ id }])
    expect((await list(bob, 'bob')).items).toEqual([])
  })

  test('has keys of its own: the same Idempotency-Key of another is another request', async () => {
    const { ann, bob } = await open()
    const reserve = (who: typeof ann, user: string) =>
      who.call(
        'POST',
        '/reservations',
        { slot_id: SLOT, user_id: user },
        { 'idempotency-key': 'k', prefer: 'wait=5' },
      )
    const [first, other, again] = [
      await reserve(ann, 'ann'),
      await reserve(bob, 'bob'),
      await reserve(ann, 'ann'),
    ]
    expect([first.status, other.status, again.status]).toEqual([201, 201, 201])
    expect(other.body.id).not.toBe(first.body.id)
    expect(again.body.id).toBe(first.body.id)
  })
})

describe('with the scope operate', () => {
  test('one sees and touches everybody’s, also in the name of one of them', async () => {
    const { operator, things } = await open()
    const { id } = await things.reservation()
    expect(await operator.tell('GET', `/reservations/${id}`)).toBe('200 held')
    expect(await operator.tell('DELETE', `/reservations/${id}?user_id=bob`)).toBe('404 reservation-not-found')
    expect(await operator.tell('POST', `/reservations/${id}/confirm`, { user_id: 'ann' })).toBe(
      '200 confirmed',
    )
    expect(await operator.tell('DELETE', `/reservations/${id}`)).toBe('200 cancelled')
    expect(await operator.tell('POST', '/reservations', { slot_id: SLOT, user_id: 'carl' })).toBe('201 held')
  })
})

describe('an API key', () => {
  test('of a user is that user', async () => {
    const { as, callers, bob, things } = await open()
    const { id } = await things.reservation()
    const key = as(callers.key(['reserve'], 'ann').headers)
    expect(await key.tell('GET', `/reservations/${id}`)).toBe('200 held')
    expect(await key.tell('POST', '/reservations', { slot_id: SLOT, user_id: 'bob' })).toBe('403 forbidden')
    expect(await bob.tell('GET', `/reservations/${id}`)).toBe('404 not-decided-or-unknown')
  })

  test('of nobody owns nothing without operate; with it two of them have keys and cursors apart', async () => {
    const { as, callers } = await open()
    const nobody = as(callers.key(['reserve']).headers)
    expect(await nobody.tell('GET', `/reservations/${UNKNOWN}`)).toBe('403 forbidden')
    const [one, two] = [as(callers.key(['operate']).headers), as(callers.key(['operate']).headers)]
    const reserve = (who: typeof one) =>
      who.call('POST', '/reservations', { slot_id: SLOT, user_id: 'ann' }, { 'idempotency-key': 'k' })
    const [first, other] = [await reserve(one), await reserve(two)]
    expect(other.body.id).not.toBe(first.body.id)
    const url = `/reservations/${first.body.id}?cursor=${first.body.cursor}`
    expect((await two.call('GET', url)).body.code).toBe('invalid-cursor')
    expect((await one.call('GET', url)).status).toBe(200)
  })
})

test('a caller waits in as many requests as it may; more are answered at once, and others wait', async () => {
  const { world, ann, bob } = await open({ waitsPerCaller: 1 })
  world.eager = false
  const reserve = (who: typeof ann, user: string) =>
    who.call('POST', '/reservations', { slot_id: SLOT, user_id: user }, { prefer: 'wait=20' })
  const before = world.records.length
  const waiting = [reserve(ann, 'ann'), reserve(bob, 'bob')]
  await vi.waitFor(() => expect(world.records).toHaveLength(before + 2))
  const second = await reserve(ann, 'ann')
  expect([second.status, second.headers['preference-applied']]).toEqual([202, undefined])
  const { id, cursor } = second.body
  expect((await ann.call('GET', `/reservations/${id}?cursor=${cursor}&wait=20`)).body.status).toBe('pending')
  world.decideAll()
  for (const answer of await Promise.all(waiting)) {
    expect([answer.status, answer.headers['preference-applied']]).toEqual([201, 'wait'])
  }
  // A place that is left is free again.
  world.eager = true
  expect((await reserve(ann, 'ann')).status).toBe(201)
})
