/** Connections, each with every timeout that a frozen peer could otherwise stretch (I4). */
import pg from 'pg'

export interface PoolOptions {
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
  readonly maxConnections: number
  /** No write can slip through a reader's connection. */
  readonly readOnly?: boolean
  /**
   * Every statement finds its rows by key. A prepared statement keeps the plan it got while its tables were small:
   * without this, that plan is a scan, and a writer slows down with every row (seen: 400 µs a row after a minute).
   */
  readonly keyLookupsOnly?: boolean
  /** After this the server gives a statement up, milliseconds; 15,000 when not given. */
  readonly statementTimeoutMs?: number
  /** How long to wait for a connection, new or free, milliseconds; 5,000 when not given. */
  readonly connectTimeoutMs?: number
}

/** A frozen writer must not hold the fence's row for longer than this, milliseconds. */
const LOCK_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 15_000
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000
const TCP_USER_TIMEOUT_MS = 10_000
const CONNECT_TIMEOUT_MS = 5_000
/** Longer than the server's own limit, so that the server's clearer error wins while it is alive. */
const ANSWER_TIMEOUT_FACTOR = 4 / 3

/** Leaves the planner one way: a nested loop over index look-ups. */
const keyLookupSettings = ['enable_seqscan=off', 'enable_hashjoin=off', 'enable_mergejoin=off']

export type Pool = pg.Pool

/** A pool whose connections pipeline: statements sent together cost one round trip. Connects lazily. */
export function createPool(databaseUrl: string, options: PoolOptions): Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS
  const settings = [
    `tcp_user_timeout=${TCP_USER_TIMEOUT_MS}`,
    `default_transaction_read_only=${options.readOnly === true ? 'on' : 'off'}`,
    ...(options.keyLookupsOnly === true ? keyLookupSettings : []),
  ]
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: options.applicationName,
    max: options.maxConnections,
    connectionTimeoutMillis: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    query_timeout: Math.ceil(statementTimeoutMs * ANSWER_TIMEOUT_FACTOR),
    keepAlive: true,
    pipeline: true,
    options: settings.map((setting) => `-c ${setting}`).join(' '),
  })
  // A connection that breaks fails its queries and is replaced by the pool; the same news as an `error` event, of an
  // idle connection or of one that is being let go, would end the process without a listener.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

/** Whether all connections were busy for too long: that says nothing of the server. */
export function isPoolBusy(error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout exceeded when trying to connect'
}
