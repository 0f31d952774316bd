/**
 * The faults an adapter may raise. Everything else that a port throws is retryable with its outcome unknown:
 * the writer discards what it has in memory, waits, reads the fence's row and rebuilds.
 */

/** Another writer moved the partition on (I4). The loser drops its state and rejoins. */
export class FencedError extends Error {
  override readonly name = 'FencedError'
}

/** The database refused the batch's data (SQLSTATE classes 22 and 23): bisected to the one culprit. */
export class DataError extends Error {
  override readonly name = 'DataError'
}

/** This is not the log that the database belongs to: cluster, partition count or tail differ. Nothing may go on. */
export class LogIdentityError extends Error {
  override readonly name = 'LogIdentityError'
}

/** A decision broke an invariant. The same records would do it again: the partition halts for a human to look. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** The produce queue is full: nothing was enqueued. Retry later. */
export class LogOverloadedError extends Error {
  override readonly name = 'LogOverloadedError'
}

/** The log cannot be reached and the command was never sent: nothing was written. Retry later. */
export class LogUnavailableError extends Error {
  override readonly name = 'LogUnavailableError'
}

/** The deadline passed after the command was sent: it may be in the log. Only a repeat under the same id is safe. */
export class OutcomeUnknownError extends Error {
  override readonly name = 'OutcomeUnknownError'
}
