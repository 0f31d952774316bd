/** Statements and transactions in one round trip each, whatever their number; and one that decides as it goes. */
import pg from 'pg'
import type { Pool } from './pool.ts'

/**
 * What a parameter may be. Nothing in it can fail while the driver writes it: a statement that the driver itself refuses
 * would be missing from a transaction whose BEGIN and COMMIT are on their way.
 */
export type StatementValue = string | number | null | Buffer | readonly (string | number | null | Buffer)[]

/** A statement, prepared once per connection under its name: one name, one text. */
export interface Statement {
  readonly name: string
  readonly text: string
  readonly values: readonly StatementValue[]
}

export type Row = Readonly<Record<string, unknown>>

/** Answers each statement's rows, in order, in one round trip and outside of any transaction. */
export async function queryAll(
  pool: Pool,
  statements: readonly Statement[],
): Promise<readonly (readonly Row[])[]> {
  const results = await send(pool, statements)
  return results.map((result) => result.rows)
}

/**
 * Runs the statements in one transaction and one round trip. Resolves when the commit is known. Throws the first
 * statement's error; where that error came from the server, nothing was committed, and {@link isServerError} says so.
 */
export async function transact(pool: Pool, statements: readonly Statement[]): Promise<void> {
  const results = await send(pool, [begin, ...statements, commit])
  requireCommitted(results.at(-1))
}

export type RunStatement = (statement: Statement) => Promise<readonly Row[]>

/**
 * Runs `work` in one transaction, a round trip for each statement: for what must read before it knows what to write.
 * Resolves when the commit is known; whatever `work` throws rolls it back and is thrown on. Between two statements
 * `work` may take as long as the pool's idle-in-transaction timeout.
 */
export async function inTransaction<T>(pool: Pool, work: (run: RunStatement) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  const query = ({ name, text, values }: Statement) => client.query<Row>({ name, text, values: [...values] })
  let over = false
  try {
    await query(begin)
    const result = await work(async (statement) => (await query(statement)).rows)
    requireCommitted(await query(commit))
    over = true
    return result
  } catch (error) {
    // Now, and not whenever the server notices that a connection was closed: others may wait for the locks.
    over = await query(rollback).then(
      () => true,
      () => false,
    )
    throw error
  } finally {
    client.release(!over)
  }
}

/** True when the server itself refused, so that the transaction is known not to have committed. */
export function isServerError(error: unknown): error is pg.DatabaseError & { readonly code: string } {
  return error instanceof pg.DatabaseError && error.code !== undefined && !connectionLost(error.code)
}

const begin: Statement = { name: 'begin', text: 'BEGIN', values: [] }
const commit: Statement = { name: 'commit', text: 'COMMIT', values: [] }
const rollback: Statement = { name: 'rollback', text: 'ROLLBACK', values: [] }

/** A COMMIT of a failed transaction succeeds, as a ROLLBACK: also where the error before it was caught. */
function requireCommitted(result: pg.QueryResult<Row> | undefined): void {
  if (result?.command !== 'COMMIT') throw new Error('the transaction was rolled back')
}

async function send(pool: Pool, statements: readonly Statement[]): Promise<readonly pg.QueryResult<Row>[]> {
  const client = await pool.connect()
  let broken = true
  try {
    const sent = statements.map(({ name, text, values }) =>
      client.query<Row>({ name, text, values: [...values] }),
    )
    const settled = await Promise.allSettled(sent)
    const failure = settled.find((result) => result.status === 'rejected')
    broken = failure !== undefined && !isServerError(failure.reason)
    if (failure !== undefined) throw failure.reason
    return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  } finally {
    client.release(broken)
  }
}

/** Class 08, and the server going down: what was sent before may have taken effect. */
function connectionLost(sqlState: string): boolean {
  return sqlState.startsWith('08') || sqlState.startsWith('57P')
}
