import { expect, test } from 'vitest'
import { createMemoryWorld } from './memory-world.ts'

const SLOT = '11111111-2222-4333-8444-555555555555'

test('cursors: changed, of another id, of another log or with a retired key are refused', async () => {
  const world = createMemoryWorld()
  const payload = { slot_id: SLOT, user_id: 'u1' }
  const reserve = async () =>
    (await world.app.inject({ method: 'POST', url: '/reservations', payload })).json()
  const body = await reserve()
  const other = await reserve()
  const changed = body.cursor.at(30) === 'A' ? 'E' : 'A'
  const foreign = createMemoryWorld({ clusterId: 'cluster-2' })
  const rotated = createMemoryWorld({ cursorKeys: [{ kid: 'b', key: Buffer.alloc(32, 2) }] })
  const urls = [
    [world, `/reservations/${body.id}?cursor=${body.cursor.slice(0, 30)}${changed}${body.cursor.slice(31)}`],
    [world, `/reservations/${body.id}?cursor=${other.cursor}`],
    [world, `/reservations/${body.id}?cursor=${body.cursor}A`],
    [world, `/reservations/${body.id}?cursor=zzz`],
    [foreign, `/reservations/${body.id}?cursor=${body.cursor}`],
    [rotated, `/reservations/${body.id}?cursor=${body.cursor}`],
  ] as const
  for (const [{ app }, url] of urls) {
    const answer = await app.inject({ url })
    expect([url, answer.statusCode, answer.json().code]).toEqual([url, 400, 'invalid-cursor'])
    expect(answer.json().errors[0]).toMatchObject({ in: 'query', pointer: '/cursor' })
  }
  const both = createMemoryWorld({
    cursorKeys: [
      { kid: 'b', key: Buffer.alloc(32, 2) },
      { kid: 'a', key: Buffer.alloc(32, 1) },
    ],
  })
  expect((await both.app.inject({ url: `/reservations/${body.id}?cursor=${body.cursor}` })).statusCode).toBe(
    200,
  )
  // The first key seals, as soon as it is there.
  const renewed = (await both.app.inject({ method: 'POST', url: '/reservations', payload })).json()
  expect([body.cursor[0], renewed.cursor[0]]).toEqual(['a', 'b'])
  for (const { app } of [world, foreign, rotated, both]) await app.close()
})

test('a cursor tells its request from another one with the same key', async () => {
  const world = createMemoryWorld()
  world.eager = true
  const headers = { 'idempotency-key': 'k' }
  const reserve = async (quantity: number) => {
    const payload = { slot_id: SLOT, user_id: 'u1', quantity }
    return (await world.app.inject({ method: 'POST', url: '/reservations', payload, headers })).json()
  }
  const [first, second] = [await reserve(1), await reserve(5)]
  expect(second.id).toBe(first.id)
  const read = async (cursor: string) => {
    const answer = await world.app.inject({ url: `/reservations/${first.id}?cursor=${cursor}&wait=2` })
    return [answer.statusCode, answer.json().code ?? answer.json().quantity]
  }
  expect(await read(first.cursor)).toEqual([200, 1])
  expect(await read(second.cursor)).toEqual([422, 'idempotency-key-reused'])
  await world.app.close()
})

test('the cursor of a cancellation says that there was nothing to cancel', async () => {
  const world = createMemoryWorld()
  world.eager = true
  const id = (
    await world.app.inject({ method: 'POST', url: '/reservations', payload: { slot_id: SLOT, user_id: 'u' } })
  ).json().id
  const unknown = `${id.slice(0, -4)}beef`
  const accepted = await world.app.inject({ method: 'DELETE', url: `/reservations/${unknown}` })
  const answer = await world.app.inject({
    url: `/reservations/${unknown}?cursor=${accepted.json().cursor}&wait=2`,
  })
  expect([answer.statusCode, answer.json().code]).toEqual([404, 'reservation-not-found'])
  await world.app.close()
})
