/** Audits beside a load: no false alarm while everything moves, and what is then damaged is found. */

import { createLogSource, runAudit } from '@ironsys/audit'
import { connectRedis } from '@ironsys/cache'
import { silentLogger } from '@ironsys/kafka'
import { createPool, type Pool } from '@ironsys/postgres'
import { type Client, createClient, startSystem, type TestApp, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

const logger = silentLogger
const closers: (() => unknown)[] = []
let system: TestSystem
let worker: TestApp
let client: Client
let pool: Pool

beforeAll(async () => {
  system = await startSystem()
  closers.push(() => system.close())
  const apps = await Promise.all([system.startApi(), system.startWorker({ AUDIT_INTERVAL_MS: '5' })])
  worker = apps[1]
  client = createClient(apps[0].url)
  pool = createPool(system.databaseUrl, { applicationName: 'test', maxConnections: 2 })
  closers.push(() => pool.end())
})

afterAll(async () => {
  for (const close of closers.reverse()) await close()
})

/** Reserves and cancels on a few slots, one of them hot, until it is told to stop. */
function startLoad() {
  const state = { stopped: false, decided: 0 }
  const buyer = async (slotIds: readonly string[], hot: string): Promise<void> => {
    for (let turn = 0; !state.stopped; turn++) {
      const slotId = turn % 3 === 0 ? (slotIds[turn % slotIds.length] ?? hot) : hot
      const { status, body } = await client.reserve(slotId)
      expect([201, 409]).toContain(status)
      if (status === 201 && turn % 2 === 0) await client.call('DELETE', `/reservations/${body.id}`)
      if (turn % 20 === 0) await client.call('PATCH', `/slots/${hot}`, { capacity: 500 + turn })
      state.decided++
    }
  }
  const ended = (async () => {
    const slotIds = await Promise.all([3, 10, 40, 1000].map((capacity) => client.createSlot(capacity)))
    const hot = await client.createSlot(500)
    await Promise.all(Array.from({ length: 24 }, () => buyer(slotIds, hot)))
  })()
  return {
    state,
    stop: async () => {
      state.stopped = true
      await ended
    },
  }
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${worker.operationsUrl}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line.startsWith(name) && !line.startsWith('#'))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

describe('while commands are decided', () => {
  test('neither an audit nor the auditor raises a false alarm', { timeout: 120_000 }, async () => {
    const load = startLoad()
    const redis = connectRedis(system.redisUrl, { name: 'test', logger, commandTimeoutMs: 5000 })
    const log = createLogSource({ brokers: system.kafkaBrokers, clientId: 'test', logger })
    closers.push(
      () => redis.disconnect(),
      () => log.close(),
    )
    const deps = { pool, redis, log, nowMs: () => performance.now() }
    await vi.waitFor(() => expect(load.state.decided).toBeGreaterThan(100), 30_000)
    for (let round = 0; round < 4; round++) {
      const report = await runAudit(deps, { logRecordsMax: 1_000_000, slotsPerBatch: 2 })
      expect(report.findings).toEqual([])
      expect(report.checks.flatMap(({ skipped }) => skipped ?? [])).toEqual([])
    }
    await vi.waitFor(
      async () => expect(await metric('ironsys_audit_checked_total')).toBeGreaterThan(100),
      30_000,
    )
    await load.stop()
    expect(await metric('ironsys_audit_findings_total')).toBe(0)
    expect(await metric('ironsys_audit_failures_total')).toBe(0)
  })
})

test('the auditor finds one changed row, tells it once, and stops in good order', async () => {
  const slotId = await client.createSlot(5)
  await client.reserve(slotId, { quantity: 2 })
  await pool.query('UPDATE slot_ledger SET confirmed_delta = 1 WHERE slot_id = $1 AND version = 2', [slotId])
  const entries = 'ironsys_audit_findings_total{check="ledger-entries"}'
  await vi.waitFor(async () => expect(await metric(entries)).toBe(1), 20_000)
  const checked = await metric('ironsys_audit_checked_total')
  // A whole round later it was seen again.
  await vi.waitFor(
    async () => expect(await metric('ironsys_audit_checked_total')).toBeGreaterThan(checked + 50),
    20_000,
  )
  expect(await metric(entries)).toBe(1)
  expect(worker.log()).toContain(`slot ${slotId}, version 2`)
  await pool.query("UPDATE reservations SET user_id = 'mallory' WHERE slot_id = $1", [slotId])
  await vi.waitFor(() => expect(worker.log()).toContain('"fields":["user_id"]'), 20_000)
  // Who reserves is nobody's matter who reads logs.
  expect(worker.log()).not.toContain('mallory')
  expect(await worker.end('SIGTERM')).toBe('exit code 0')
})
