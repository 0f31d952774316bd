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
  for (const { app } of [world, foreign, rotated, both]) await app.close()
})
