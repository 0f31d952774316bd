/** `ironsys replay --verify` on real Postgres: equal where nothing was touched, and each damage named. */
import { LocalFault } from '@ironsys/local'
import { createPool, type Pool } from '@ironsys/postgres'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { replayCommand } from './commands/replay.ts'
import { readConfig } from './config.ts'
import { decideAndCommit, withDamage } from './replay.fixture.ts'
import { PAGE_ENTRIES } from './replay.ts'
import {
  busy,
  fillDatabase,
  first,
  gone,
  held,
  large,
  lively,
  newId,
  refused,
  reportSchema,
  reserve,
  second,
  slotId,
  small,
  sold,
  waiting,
} from './replay-world.fixture.ts'

/** Of a slot, all that must be given. */
const copied =
  'version, epoch, partition, start_time, end_time, capacity, overbooking_bps, held, confirmed, status, name, body_hash, created_at'

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 2 })
  await fillDatabase(pool)
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

async function replay(...args: readonly string[]) {
  const said: string[] = []
  const environment = { DATABASE_URL: database.url }
  const context = { config: readConfig(environment), environment, say: (line: string) => said.push(line) }
  const code = await replayCommand.run(['--verify', ...args], context)
  return { code, text: said.join('\n') }
}

async function replayJson(...args: readonly string[]) {
  const { code, text } = await replay('--json', ...args)
  return { code, ...reportSchema.parse(JSON.parse(text)) }
}

async function schemas() {
  const { rows } = await pool.query(`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'replay%'`)
  return rows.map((row) => row.nspname)
}

describe('what nobody touched', () => {
  test('is equal, and leaves nothing behind', async () => {
    expect(await replayJson()).toMatchObject({
      code: 0,
      equal: true,
      ledger_entries: 3 + 4 + 11 + PAGE_ENTRIES + 500,
      slots: 4,
      reservations: 2 + 5 + PAGE_ENTRIES,
      differences: [],
    })
    expect(await schemas()).toEqual([])
  })

  test('is equal while it goes on being written', async () => {
    let stop = false
    let written = 0
    const writing = (async () => {
      for (; !stop; written++) {
        await decideAndCommit(pool, [reserve(newId(busy), 1, { slot_id: busy })])
      }
    })()
    await vi.waitUntil(() => written > 0)
    const reports = [await replayJson(), await replayJson()]
    stop = true
    await writing
    expect(reports).toMatchObject([
      { code: 0, equal: true },
      { code: 0, equal: true },
    ])
    expect(reports[1]?.ledger_entries).toBeGreaterThan(reports[0]?.ledger_entries ?? 0)
  })

  test('one slot alone takes its entries only', async () => {
    expect(await replayJson('--slot', small)).toMatchObject({
      code: 0,
      ledger_entries: 5,
      slots: 1,
      reservations: 2,
    })
  })

  test('a slot that does not exist is no proof of anything, and leaves nothing behind', async () => {
    const nowhere = slotId('9')
    await expect(replay('--slot', nowhere, '--keep')).rejects.toEqual(
      new LocalFault(`there is no slot ${nowhere}`),
    )
    expect(await schemas()).toEqual([])
  })
})

describe('a damage', () => {
  const row = (table: string, id: string, column: string | null, stored: unknown, rebuilt: unknown) => ({
    table,
    id,
    column,
    stored,
    rebuilt,
  })
  const ledger = `slot_ledger SET`
  const at = (version: number) => `WHERE slot_id = '${small}' AND version = ${version}`
  const fault = (text: string, slot: string = small) => [
    row('slot_ledger', slot, null, expect.stringContaining(text), null),
  ]
  test.each<[string, string, readonly object[]]>([
    [
      'a sum in the state',
      `UPDATE slots SET confirmed = confirmed - 1 WHERE id = '${small}'`,
      [row('slots', small, 'confirmed', '2', '3')],
    ],
    [
      'two columns of the state',
      `UPDATE slots SET name = 'Night', metadata = '{"floor": 4}' WHERE id = '${small}'`,
      [
        row('slots', small, 'metadata', '{"floor": 4}', '{"floor": 3}'),
        row('slots', small, 'name', '"Night"', '"Evening"'),
      ],
    ],
    [
      'a state that is gone',
      `DELETE FROM slots WHERE id = '${small}'`,
      [row('slots', small, null, null, expect.stringContaining('"version":5'))],
    ],
    [
      'a state without a ledger',
      `INSERT INTO slots (id, ${copied}) SELECT '${second}', ${copied} FROM slots WHERE id = '${small}'`,
      [row('slots', second, null, expect.stringContaining('"version":5'), null)],
    ],
    [
      'a quantity',
      `UPDATE reservations SET quantity = 30 WHERE id = '${second}'`,
      [row('reservations', second, 'quantity', '30', '3')],
    ],
    [
      'a confirmed reservation made a rejected one',
      `UPDATE reservations SET status = 'rejected', reason = 'sold-out' WHERE id = '${second}'`,
      [
        row('reservations', second, 'reason', '"sold-out"', 'null'),
        row('reservations', second, 'status', '"rejected"', '"confirmed"'),
      ],
    ],
    [
      'a reservation moved to another slot',
      `UPDATE reservations SET slot_id = '${large}' WHERE id = '${second}'`,
      [row('reservations', second, 'slot_id', `"${large}"`, `"${small}"`)],
    ],
    [
      'a reservation that is gone',
      `DELETE FROM reservations WHERE id = '${first}'`,
      [row('reservations', first, null, null, expect.stringContaining('"slot_version":5'))],
    ],
    [
      'a rejected reservation made a confirmed one',
      `UPDATE reservations SET status = 'confirmed', reason = NULL WHERE id = '${refused}'`,
      [row('reservations', refused, null, expect.stringContaining(refused), null)],
    ],
    [
      'a ledger entry that is gone',
      `DELETE FROM slot_ledger ${at(3)}`,
      fault('version 4: version 3 is missing'),
    ],
    [
      'the last ledger entry gone',
      `DELETE FROM slot_ledger ${at(5)}`,
      [
        ...['slot_version', 'status', 'transitions'].map((column) =>
          expect.objectContaining({ table: 'reservations', id: first, column }),
        ),
        row('slots', small, 'confirmed', '3', '5'),
        row('slots', small, 'version', '5', '4'),
      ],
    ],
    ['a delta of the ledger', `UPDATE ${ledger} confirmed_delta = 1 ${at(2)}`, fault('confirmed_delta is 1')],
    [
      'a quantity in an event',
      `UPDATE ${ledger} event = jsonb_set(event, '{quantity}', '7') ${at(2)}`,
      fault('version 2: confirmed_delta is 2, its event makes 7'),
    ],
    [
      'an unknown event',
      `UPDATE ${ledger} event = jsonb_set(event, '{type}', '"slot_painted"'), type = 'slot_painted' ${at(4)}`,
      fault('version 4: the event cannot be read'),
    ],
    [
      'a user in an event',
      `UPDATE ${ledger} event = jsonb_set(event, '{userId}', '"bob"') ${at(3)}`,
      [row('reservations', second, 'user_id', '"ann"', '"bob"')],
    ],
    [
      'the end of a hold',
      `UPDATE reservations SET expires_at = expires_at + interval '1 s' WHERE id = '${held}'`,
      [
        row(
          'reservations',
          held,
          'expires_at',
          '"2026-06-01T12:10:02.009+00:00"',
          '"2026-06-01T12:10:01.009+00:00"',
        ),
      ],
    ],
    [
      'a place in line, and what somebody became',
      `UPDATE reservations SET place = place + 1, transitions = '[["held", 1, null]]' WHERE id = '${waiting}'`,
      [
        row('reservations', waiting, 'place', '6', '5'),
        row('reservations', waiting, 'transitions', '[["held", 1, null]]', 'null'),
      ],
    ],
    [
      'who waits',
      `UPDATE slots SET waitlist_count = 2, held = 2 WHERE id = '${lively}'`,
      [row('slots', lively, 'held', '2', '3'), row('slots', lively, 'waitlist_count', '2', '1')],
    ],
    [
      'a name that was erased',
      `UPDATE reservations SET user_id = 'bob' WHERE id = '${sold}'`,
      [row('reservations', sold, 'user_id', '"bob"', '"nobody"')],
    ],
    [
      'what was erased, in the ledger',
      `UPDATE ${ledger} event = jsonb_set(event, '{metadata}', '{}') WHERE reservation_id = '${gone}' AND type = 'reservation_held'`,
      fault('still in an earlier entry', lively),
    ],
    [
      'an expiry before the end',
      `UPDATE ${ledger} at = at - interval '6 s' WHERE reservation_id = '${gone}' AND type = 'hold_expired'`,
      fault('is held still', lively),
    ],
  ])('%s is named', async (_what, damage, differences) => {
    await withDamage(pool, damage, async () => {
      const all = await replayJson()
      expect(all).toMatchObject({ code: 1, equal: false, difference_count: differences.length })
      expect(all.differences).toEqual(differences)
    })
    expect((await replayJson()).equal).toBe(true)
  })

  test('of one slot is seen when that slot is looked at, and not when another is', async () => {
    await withDamage(
      pool,
      `UPDATE reservations SET slot_id = '${large}' WHERE id = '${second}'`,
      async () => {
        expect((await replayJson('--slot', small)).differences).toEqual([
          row('reservations', second, 'slot_id', `"${large}"`, `"${small}"`),
        ])
        expect(await replayJson('--slot', busy)).toMatchObject({ code: 0 })
      },
    )
  })

  test('cannot steer the terminal it is told on', async () => {
    await withDamage(pool, `UPDATE slots SET name = U&'\\009b2J\\202e' WHERE id = '${small}'`, async () => {
      const { text } = await replay()
      expect(text).toContain('name: stored "\\u{9b}2J\\u{202e}", rebuilt "Evening"')
      expect(text).not.toMatch(/[\u009b\u202e]/)
    })
  })

  test('of many rows is listed up to a bound, counted whole, and kept when asked for', async () => {
    await withDamage(pool, `UPDATE reservations SET quantity = 9 WHERE slot_id = '${large}'`, async () => {
      const { code, text } = await replay('--keep')
      expect(code).toBe(1)
      expect(text).toMatch(new RegExp(`… and ${PAGE_ENTRIES - 100} more\n`))
      expect(text).toContain(`DIFFERENT in ${PAGE_ENTRIES} places`)
      const [schema] = await schemas()
      expect(text).toContain(`schema ${schema}`)
      const kept = await pool.query(
        `SELECT count(*)::int AS n FROM ${schema}.differences WHERE "column" = 'quantity'`,
      )
      expect(kept.rows).toEqual([{ n: PAGE_ENTRIES }])
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
    })
  })
})
