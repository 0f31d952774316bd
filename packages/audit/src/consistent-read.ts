/** Several statements over one snapshot of the database, on one connection, without a lock that anybody waits for. */
import type { Pool, Row, StatementValue } from '@ironsys/postgres'

export type Query = (text: string, values?: readonly StatementValue[]) => Promise<readonly Row[]>

/** How much longer than the server the client waits: the server's own error is the clearer one. */
const ANSWER_GRACE_MS = 5000

/**
 * Runs `work` in a REPEATABLE READ, READ ONLY transaction; every statement of it may take `timeoutMs`.
 * Throws what the database or `work` throws.
 */
export async function readConsistently<T>(
  pool: Pool,
  timeoutMs: number,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  let sound = false
  try {
    const query: Query = async (text, values = []) => {
      const config = { text, values: [...values], query_timeout: timeoutMs + ANSWER_GRACE_MS }
      return (await client.query<Row>(config)).rows
    }
    await query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    // Compiling a statement that runs for milliseconds would cost more than running it.
    const settings = "SELECT set_config('statement_timeout', $1, true), set_config('jit', 'off', true)"
    await query(settings, [String(timeoutMs)])
    const answer = await work(query)
    await query('COMMIT')
    sound = true
    return answer
  } finally {
    // A connection whose transaction failed is thrown away: simpler than asking what state it is in.
    client.release(!sound)
  }
}
