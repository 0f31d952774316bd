/** How this process reads Postgres: few connections, short time-outs, one breaker around every statement. */
import { createBookingReads } from '@ironsys/bookings'
import type { Breaker } from '@ironsys/circuit-breaker'
import type { Closers } from '@ironsys/lifecycle'
import { createPool, type Pool, queryAll } from '@ironsys/postgres'
import { createReservationReads, type RunStatement } from '@ironsys/reservations'
import type { ApiDeps } from './deps.ts'

const READ_CONNECTIONS = 8
/** A read that takes longer would be given up by who waits for it; an outage is noticed a third later at the latest. */
const READ_TIMEOUT_MS = 2_000
/** For a connection: a new one, or one that others have. */
const CONNECT_TIMEOUT_MS = 2_000
/** Of a slot with a long ledger an audit takes its time, and must not take the others' connections. */
const AUDIT_CONNECTIONS = 2

export interface StoreReads {
  readonly pool: Pool
  readonly reads: ApiDeps['reads']
}

export function openStoreReads(
  databaseUrl: string,
  { clientId, breaker, closers }: { clientId: string; breaker: Pick<Breaker, 'call'>; closers: Closers },
): StoreReads {
  const pool = createPool(databaseUrl, {
    applicationName: clientId,
    maxConnections: READ_CONNECTIONS,
    readOnly: true,
    statementTimeoutMs: READ_TIMEOUT_MS,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  })
  closers.add(() => pool.end())
  const audits = createPool(databaseUrl, {
    applicationName: `${clientId}-audit`,
    maxConnections: AUDIT_CONNECTIONS,
    readOnly: true,
  })
  closers.add(() => audits.end())
  const runOn =
    (connections: Pool): RunStatement =>
    (statement) =>
      breaker.call(async () => (await queryAll(connections, [statement]))[0] ?? [])
  const run = runOn(pool)
  const { audit } = createReservationReads(runOn(audits))
  return { pool, reads: { ...createReservationReads(run), audit, ...createBookingReads(run) } }
}
