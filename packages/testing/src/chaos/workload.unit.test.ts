import { expect, test } from 'vitest'
import { createWorkload, hotSlots, type Request, type World } from './workload.ts'

const world: World = {
  slotIds: Array.from({ length: 20 }, (_, index) => `slot-${index}`),
  reservationIds: ['first', 'second', 'third'],
}

function requests(seed: number, count: number, of = world): readonly Request[] {
  const workload = createWorkload(seed)
  return Array.from({ length: count }, () => workload.next(of))
}

test('a seed gives one sequence of requests, and another seed another', () => {
  expect(requests(5, 500)).toEqual(requests(5, 500))
  expect(requests(5, 500)).not.toEqual(requests(6, 500))
})

test('every request that makes something has a marker of its own, and its key goes with it', () => {
  const commands = requests(1, 5000).flatMap((request) => (request.type === 'command' ? [request] : []))
  const markers = commands.flatMap(({ intent, key }) => {
    if (intent.type === 'cancel') return []
    const marker = intent.type === 'reserve' ? intent.userId : intent.name
    expect([null, `key-${marker}`]).toContain(key)
    return [marker]
  })
  expect(new Set(markers).size).toBe(markers.length)
})

test('every kind of request comes, most of them reserve, and half of those a hot slot', () => {
  const all = requests(1, 5000)
  const kinds = all.map((request) => (request.type === 'command' ? request.intent.type : request.type))
  expect(new Set(kinds)).toEqual(
    new Set(['reserve', 'cancel', 'resize', 'create_slot', 'read_slot', 'read_reservation', 'repeat']),
  )
  const reserved = all.flatMap((request) =>
    request.type === 'command' && request.intent.type === 'reserve' ? [request.intent] : [],
  )
  expect(reserved.length).toBeGreaterThan(2500)
  const hot = reserved.filter(({ slotId }) => world.slotIds.indexOf(slotId) < hotSlots)
  expect(hot.length / reserved.length).toBeGreaterThan(0.5)
  expect(new Set(reserved.map(({ quantity }) => quantity))).toEqual(new Set([1, 2, 3]))
})

test('it makes what is not there yet', () => {
  const [first] = requests(1, 1, { slotIds: [], reservationIds: [] })
  expect(first).toMatchObject({ intent: { type: 'create_slot' } })
  const without = requests(1, 500, { ...world, reservationIds: [] })
  expect(without.some((request) => request.type === 'read_reservation')).toBe(false)
})
