import { expect, test } from 'vitest'
import { createWorkload, hotSlots, markerOf, type Request, type World } from './workload.ts'

const world: World = {
  slotIds: Array.from({ length: 20 }, (_, index) => `slot-${index}`),
  reservationIds: ['first', 'second', 'third'],
  bookingIds: ['one', 'two'],
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
    const marker = markerOf(intent)
    expect([null, `key-${marker}`]).toContain(key)
    return marker ?? []
  })
  expect(new Set(markers).size).toBe(markers.length)
})

test('every kind of request comes, most commands reserve, and half of those a hot slot', () => {
  const all = requests(1, 5000)
  const commands = all.flatMap((request) => (request.type === 'command' ? [request.intent] : []))
  const kinds = [...all, ...commands].map(({ type }) => type)
  const asked = ['reserve', 'confirm', 'cancel', 'update_slot', 'create_slot'] as const
  const booked = ['book', 'confirm_booking', 'cancel_booking'] as const
  const others = ['command', 'read_slot', 'read_document', 'repeat'] as const
  expect(new Set(kinds)).toEqual(new Set([...asked, ...booked, ...others]))
  const reserved = commands.flatMap((intent) => (intent.type === 'reserve' ? [intent] : []))
  expect(reserved.length).toBeGreaterThan(2000)
  const hot = reserved.filter(({ slotId }) => world.slotIds.indexOf(slotId) < hotSlots)
  expect(hot.length / reserved.length).toBeGreaterThan(0.5)
  expect(new Set(reserved.map(({ quantity }) => quantity))).toEqual(new Set([1, 2, 3]))
  expect(new Set(reserved.map(({ holdTtlSeconds }) => holdTtlSeconds))).toEqual(
    new Set([null, 1, 2, 3, 4, 5]),
  )
  const lates = commands.flatMap((intent) => (intent.type === 'confirm' ? [intent.late] : []))
  expect(new Set(lates)).toEqual(new Set([null, 'reject', 'rehold', 'waitlist']))
  const sizes = commands.flatMap((intent) => (intent.type === 'book' ? [intent.items.length] : []))
  expect(new Set(sizes)).toEqual(new Set([2, 3, 4, 5]))
})

test('some confirmations and cancellations of one booking come one right behind the other', () => {
  const about = requests(1, 5000).map((request) =>
    request.type === 'command' && 'bookingId' in request.intent ? request.intent : null,
  )
  const races = about.filter((intent, at) => {
    const before = about[at - 1] ?? null
    return intent !== null && intent.bookingId === before?.bookingId && intent.type !== before.type
  })
  expect(races.length).toBeGreaterThan(20)
})

test('it makes what is not there yet', () => {
  const nothing = { slotIds: [], reservationIds: [], bookingIds: [] }
  const [first] = requests(1, 1, nothing)
  expect(first).toMatchObject({ intent: { type: 'create_slot' } })
  const without = requests(1, 500, { ...nothing, slotIds: world.slotIds })
  expect(without.some((request) => request.type === 'read_document')).toBe(false)
})
