/** Random lives of a slot, for property tests: plain data, so that a counterexample can be read. */
import type { CreateSlotCommand, ReservationCommand } from '@ironsys/contracts'
import * as fc from 'fast-check'
import {
  bookingId,
  cancel,
  confirm,
  erase,
  hash,
  hold,
  join,
  many,
  noonMs,
  reserve,
  retire,
  slot,
  timeAt,
  update,
  wake,
} from './commands.fixture.ts'

const USERS = ['ann', 'bob', 'cy', 'dee'] as const
const ERASED_MAX = 100

/** TTLs and pauses are of the same few seconds, so that ends are met to the millisecond. */
const ttlSeconds = fc.constantFrom(5, 10, 10, 20, 30)
const pauseMs = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: fc.constantFrom(1, 999, 4_999, 5_000, 5_001, 10_000, 20_000) },
  { weight: 1, arbitrary: fc.constantFrom(300_000, 900_000) },
)
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

const reserving = fc.record({
  type: fc.constant('reserve' as const),
  user: fc.constantFrom(...USERS),
  fields: fc.record({
    quantity: fc.constantFrom(1, 1, 1, 2, 3, 7, 30, 41),
    mode: optional(fc.constantFrom('hold', 'confirm')),
    hold_ttl_seconds: optional(ttlSeconds),
    join_waitlist: fc.boolean(),
    booking_id: fc.constantFrom(undefined, undefined, undefined, bookingId),
  }),
})

/** More holds that end together than a command takes out of the way. */
const crowding = fc.record({
  type: fc.constant('crowd' as const),
  count: fc.constantFrom(5, 25, 35),
  ttl: fc.constantFrom(10, 20),
})

/** About one of the latest reservations, mostly by who may. */
const naming = fc.record({
  type: fc.constantFrom('confirm' as const, 'cancel' as const, 'repeat' as const),
  which: fc.nat(1_000),
  late: optional(fc.constantFrom('reject', 'rehold', 'waitlist')),
  whose: fc.record({
    caller: fc.constantFrom(undefined, undefined, ...USERS),
    booking_id: fc.constantFrom(undefined, undefined, bookingId),
  }),
})

const organising = fc.oneof(
  fc.record({
    type: fc.constant('update' as const),
    fields: fc.record(
      {
        capacity: fc.constantFrom(0, 1, 4, 9, 41),
        overbooking_bps: fc.constantFrom(0, 5000),
        status: fc.constantFrom('open', 'open', 'closed'),
      },
      { requiredKeys: [] },
    ),
  }),
  fc.record({ type: fc.constant('create' as const), hash: fc.constantFrom('a', 'b') }),
  fc.record({ type: fc.constant('erase' as const), user: fc.constantFrom(...USERS) }),
  fc.record({ type: fc.constantFrom('wake' as const, 'wake' as const, 'retire' as const) }),
)

const anything = fc.oneof(
  { weight: 8, arbitrary: reserving },
  { weight: 8, arbitrary: naming },
  { weight: 4, arbitrary: organising },
  { weight: 1, arbitrary: crowding },
)

const timed = fc.tuple(pauseMs, anything)
type Timed = readonly [number, typeof anything extends fc.Arbitrary<infer T> ? T : never]

const anySlot = fc.record({
  capacity: fc.constantFrom(0, 1, 3, 5, 10, 40),
  overbooking_bps: fc.constantFrom(0, 0, 3334),
  hold_ttl_seconds: fc.option(ttlSeconds, { freq: 2 }),
  max_per_user: fc.option(fc.constantFrom(1, 3, 6, 50), { freq: 2 }),
  waitlist: fc.boolean(),
  sales_open_at: fc.constantFrom(null, null, null, timeAt(5)),
  sales_close_at: fc.constantFrom(null, null, null, timeAt(30), timeAt(60)),
})

/** How a story begins, and the random commands after that. */
interface Opening {
  readonly terms: Parameters<typeof slot>[0]
  readonly before: readonly ReservationCommand[]
  readonly later?: readonly ReservationCommand[]
  readonly laterMs?: number
  readonly each: readonly Timed[]
}

/** A crowd holds most of a slot, others wait for much of it, and then all that the crowd holds ends at once. */
const crowded = fc
  .record({
    capacity: fc.constantFrom(36, 40),
    count: fc.constantFrom(20, 35),
    line: fc.array(fc.constantFrom(2, 6, 10, 25, 30), { maxLength: 4 }),
    pause: fc.constantFrom(10_000, 10_001, 12_000),
    after: fc.array(timed, { maxLength: 12 }),
  })
  .map(
    ({ capacity, count, line, pause, after: [first, ...others] }): Opening => ({
      terms: { capacity, waitlist: true },
      before: [
        ...many(count, 'crowd', (label) => hold(label, 1, { hold_ttl_seconds: 10 })),
        ...many(line.length, 'line', (label) => join(label, line[Number(label.split('-')[1])])),
      ],
      each: first === undefined ? [] : [[pause, first[1]] as const, ...others],
    }),
  )

/** A hold ends, others take some of what it had, and then its payment comes. */
const lapsed = fc
  .record({
    terms: fc.record({ capacity: fc.constantFrom(7, 10), waitlist: fc.constantFrom(true, true, false) }),
    quantity: fc.constantFrom(2, 5, 7),
    taken: fc.constantFrom(0, 2, 5, 7),
    line: fc.array(fc.constantFrom(2, 5, 7), { maxLength: 2 }),
    late: fc.constantFrom('rehold' as const, 'waitlist' as const),
    after: fc.array(timed, { maxLength: 8 }),
  })
  .map(({ terms, quantity, taken, line, late, after }): Opening => {
    const others = many(line.length, 'line', (label) => join(label, line[Number(label.split('-')[1])]))
    const between = [...(taken === 0 ? [] : [reserve('taker', { quantity: taken })]), ...others]
    return {
      terms,
      before: [hold('lapsed', quantity, { hold_ttl_seconds: 10 })],
      later: [...between, confirm('lapsed', { late })],
      laterMs: 10_000,
      each: after,
    }
  })

const anyStory = fc
  .record({ terms: anySlot, each: fc.array(timed, { maxLength: 60 }) })
  .map((story): Opening => ({ ...story, before: [] }))

export interface Story {
  readonly created: CreateSlotCommand
  /** In the order of the log, whose times never go back; the slot is created at noon. */
  readonly commands: readonly { readonly command: ReservationCommand; readonly atMs: number }[]
}

export const stories: fc.Arbitrary<Story> = fc.oneof(anyStory, crowded, lapsed).map((story) => {
  const { terms, before, each, later = [], laterMs = 0 } = story
  return {
    created: slot(terms),
    commands: [...at(noonMs, before), ...at(noonMs + laterMs, later), ...timeline(each, noonMs + laterMs)],
  }
})

function at(atMs: number, commands: readonly ReservationCommand[]) {
  return commands.map((command) => ({ command, atMs }))
}

function timeline(each: readonly Timed[], fromMs: number) {
  const labels: string[] = []
  let atMs = fromMs
  return each.flatMap(([pause, what]) => {
    atMs += pause
    return commandsOf(what, labels).map((command) => ({ command, atMs }))
  })
}

/** `labels`: the reservations so far, to which this adds its own. */
function commandsOf(what: Timed[1], labels: string[]): readonly ReservationCommand[] {
  switch (what.type) {
    case 'reserve': {
      const label = `${what.user}/${labels.length}`
      labels.push(label)
      return [reserve(label, what.fields)]
    }
    case 'crowd': {
      const crowd = many(what.count, `crowd${labels.length}`, (label) => label)
      labels.push(...crowd)
      return crowd.map((label) => hold(label, 1, { hold_ttl_seconds: what.ttl }))
    }
    case 'confirm':
    case 'cancel':
    case 'repeat': {
      const label = labels[labels.length - 1 - (what.which % labels.length)] ?? 'nobody'
      if (what.type === 'cancel') return [cancel(label, what.whose)]
      return [what.type === 'repeat' ? reserve(label) : confirm(label, { late: what.late, ...what.whose })]
    }
    case 'update':
      return [update(what.fields)]
    case 'create':
      return [slot({ body_hash: hash(what.hash) })]
    case 'erase':
      return labels.length === 0 ? [] : [erase(what.user, labels.slice(-ERASED_MAX))]
    case 'wake':
      return [wake()]
    case 'retire':
      return [retire()]
  }
}
