/** A thousand clients race for the last ten units, over HTTP and on real parts; what they were told is then audited. */
import { createLogSource, runAudit } from '@ironsys/audit'
import { connectRedis } from '@ironsys/cache'
import { silentLogger } from '@ironsys/kafka'
import { createPool } from '@ironsys/postgres'
import { type Answer, type Client, createClient, startSystem, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

const CLIENTS = 1000
const UNITS = 10
const RACE_DEADLINE_MS = 40_000
const DEADLINE = { timeout: 20_000, interval: 50 }

/** What a client does with units that it gets. Each kind is a fifth of all. */
const kinds = ['keeps', 'gives back', 'forgets', 'returns', 'comes late'] as const
type Kind = (typeof kinds)[number]

const lates = ['rehold', 'waitlist', 'reject'] as const

interface Racer {
  readonly userId: string
  readonly kind: Kind
  readonly late: (typeof lates)[number]
  readonly waits: boolean
  readonly ttlSeconds: 1 | 2
}

/** The kinds are spread evenly, and each has all that the others vary in. */
const racers = Array.from({ length: CLIENTS }, (_, n): Racer => {
  return {
    userId: `racer-${n}`,
    kind: kinds[n % kinds.length] ?? 'keeps',
    late: lates[n % lates.length] ?? 'reject',
    waits: n % 7 < 4,
    ttlSeconds: n % 2 === 0 ? 1 : 2,
  }
})

let system: TestSystem
let client: Client

beforeAll(async () => {
  system = await startSystem()
  const [api] = await Promise.all([system.startApi(), system.startWorker()])
  client = createClient(api.url)
})

afterAll(async () => {
  await system?.close()
})

const find = async (id: string) => (await client.call('GET', `/reservations/${id}`)).body

test(
  'a thousand clients and ten units: everybody gets an answer, no unit is sold twice, and the books say the same',
  async () => {
    const slotId = await client.createSlot(UNITS, { waitlist: true, hold_ttl_seconds: 1 })
    const race = startRace(slotId)
    const ends = await Promise.all(racers.map((racer) => run(racer, race)))
    await race.end()

    expect(ends).toHaveLength(CLIENTS)
    // On a machine so slow that hardly a hold is confirmed in time, units are left; then nobody is in line for them.
    const confirmed = ends.filter(({ status }) => status === 'confirmed').length
    expect(confirmed).toBeGreaterThan(0)
    const stored = await client.listAll(`/slots/${slotId}/reservations?limit=100`)
    const told = Object.fromEntries(ends.map(({ id, status }) => [id, status]))
    expect(Object.fromEntries(stored.map(({ id, status }) => [id, status]))).toEqual(told)
    const free = { available: UNITS - confirmed, balanced: true }
    expect(await client.audit(slotId)).toMatchObject({ held: 0, confirmed, ...free })
    const { rows } = await highestTaken(slotId)
    expect(rows).toEqual([{ most: UNITS, least: 0, in_line: 0 }])
    await expectCleanAudit()
  },
  RACE_DEADLINE_MS + 20_000,
)

interface Race {
  readonly slotId: string
  /** Resolves when the one who waits got units; or when everything is sold, and waiting is of no use. */
  untilServed(id: string): Promise<'served' | 'sold'>
  /** One more unit is gone for good. */
  kept(): void
  end(): Promise<void>
}

/** Those who wait are told by one look at the line for all of them. */
function startRace(slotId: string): Race {
  const waiting = new Map<string, (how: 'served' | 'sold') => void>()
  const ended = new AbortController()
  let kept = 0
  const look = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      for (const { id } of await client.listAll(`/slots/${slotId}/reservations?status=held`)) {
        settle(id, 'served')
      }
    }
  }
  const settle = (id: string, how: 'served' | 'sold'): void => {
    waiting.get(id)?.(how)
    waiting.delete(id)
  }
  const looking = look()
  return {
    slotId,
    untilServed: (id) =>
      kept === UNITS ? Promise.resolve('sold') : new Promise((resolve) => waiting.set(id, resolve)),
    kept: () => {
      kept++
      if (kept === UNITS) for (const id of waiting.keys()) settle(id, 'sold')
    },
    end: async () => {
      ended.abort()
      await looking
    },
  }
}

interface End {
  readonly id: string
  readonly status: string
}

/** One client's whole course: the status that its last answer leaves it with. */
async function run(racer: Racer, race: Race): Promise<End> {
  const { userId: user_id, ttlSeconds: hold_ttl_seconds, waits: join_waitlist } = racer
  const request = { user_id, mode: 'hold', hold_ttl_seconds, join_waitlist }
  const answer = await client.reserve(race.slotId, request)
  if (answer.status === 409) return { id: answer.body.id, status: refusal(answer, 'sold-out', 'rejected') }
  const { id } = answer.body
  const status = answer.body.status === 'waitlisted' ? await waitInLine(id, race) : answer.body.status
  const end = status === 'held' ? await use(id, racer, race) : status
  return { id, status: end }
}

/** Until it is served; who waits when all is sold leaves the line. */
async function waitInLine(id: string, race: Race): Promise<string> {
  while ((await race.untilServed(id)) === 'served') {
    // The look at the line may be older than this one's place in it.
    const { status } = await find(id)
    if (status !== 'waitlisted') return status
  }
  return endOf(await client.cancel(id))
}

async function use(id: string, { kind, late }: Racer, race: Race): Promise<string> {
  switch (kind) {
    case 'keeps':
      return keep(id, race)
    case 'gives back':
      return endOf(await client.cancel(id))
    case 'forgets':
      return untilExpired(id)
    case 'returns': {
      const confirmed = await client.confirm(id)
      return endOf(confirmed) === 'confirmed' ? endOf(await client.cancel(id)) : endOf(confirmed)
    }
    case 'comes late': {
      await untilExpired(id)
      return comeLate(id, late, race)
    }
  }
}

async function keep(id: string, race: Race): Promise<string> {
  const status = endOf(await client.confirm(id))
  if (status === 'confirmed') race.kept()
  return status
}

async function comeLate(id: string, late: Racer['late'], race: Race): Promise<string> {
  const status = endOf(await client.confirm(id, { late }))
  switch (status) {
    case 'confirmed':
      race.kept()
      return status
    case 'waitlisted': {
      const after = await waitInLine(id, race)
      return after === 'held' ? keep(id, race) : after
    }
    case 'held':
      return keep(id, race)
    default:
      return status
  }
}

async function untilExpired(id: string): Promise<string> {
  await vi.waitFor(async () => expect(await find(id)).toMatchObject({ status: 'expired' }), DEADLINE)
  return 'expired'
}

/** What an answer to a confirmation or a cancellation says that the reservation now is. */
function endOf(answer: Answer): string {
  if (answer.status < 300) return answer.body.status
  expect(answer.status).toBe(409)
  expect(['hold-expired', 'refund-required', 'not-cancellable']).toContain(answer.body.code)
  return 'expired'
}

function refusal({ body }: Answer, code: string, status: string): string {
  expect(body.code).toBe(code)
  return status
}

/** Over all versions of the ledger, and who is left in line. */
async function highestTaken(slotId: string) {
  const pool = createPool(system.databaseUrl, { applicationName: 'test', maxConnections: 1 })
  try {
    return await pool.query(
      `SELECT max(taken)::int AS most, min(least(held, confirmed))::int AS least,
              (SELECT waitlist_count FROM slots WHERE id = $1) AS in_line
         FROM (SELECT sum(held_delta) OVER up_to AS held, sum(confirmed_delta) OVER up_to AS confirmed,
                      sum(held_delta + confirmed_delta) OVER up_to AS taken
                 FROM slot_ledger WHERE slot_id = $1 WINDOW up_to AS (ORDER BY version)) AS sums`,
      [slotId],
    )
  } finally {
    await pool.end()
  }
}

async function expectCleanAudit(): Promise<void> {
  const logger = silentLogger
  const pool = createPool(system.databaseUrl, { applicationName: 'test', maxConnections: 1, readOnly: true })
  const redis = connectRedis(system.redisUrl, { name: 'test', logger })
  const log = createLogSource({ brokers: system.kafkaBrokers, clientId: 'test', logger })
  try {
    const report = await runAudit({ pool, redis, log, nowMs: Date.now })
    expect(report.findings).toEqual([])
    expect(report).toMatchObject({ complete: true, findingsTotal: 0 })
  } finally {
    redis.disconnect()
    await log.close()
    await pool.end()
  }
}
