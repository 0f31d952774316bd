/** Reads of the store, with an outage told apart from a fault of ours. */
import { SnapshotUnavailableError } from '@ironsys/cache'
import { CallRefusedError } from '@ironsys/circuit-breaker'
import { ProblemError } from './problem.ts'

/** An outage ends the request with 503 `reads-unavailable`; anything else is thrown on, and becomes a 500. */
export async function reading<T>(read: Promise<T>): Promise<T> {
  try {
    return await read
  } catch (error) {
    throw isOutage(error)
      ? new ProblemError({ code: 'reads-unavailable', retryAfterSeconds: 1 }, error)
      : error
  }
}

/** SQLSTATE classes that speak of the server and not of the statement: connection, resources, intervention, system. */
const outageClasses = new Set(['08', '53', '57', '58'])
const outageCodes = /^(ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|EAI_|ENOENT|55P03)/

/** Whether the store could not be asked, as against answered with an error. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof SnapshotUnavailableError || error instanceof CallRefusedError) return true
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code.length === 5 && outageClasses.has(code.slice(0, 2))) return true
  // pg's pool and client report timeouts and lost connections without a code.
  return outageCodes.test(code) || /timeout|terminated|connection|not queryable/i.test(error.message)
}
