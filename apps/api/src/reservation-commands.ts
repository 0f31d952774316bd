/** From a request about a reservation to the command that goes into the log. */
import {
  type CancelQuery,
  type ConfirmRequest,
  metadataFault,
  partitionOfId,
  type ReserveRequest,
  topics,
} from '@ironsys/contracts'
import type { FastifyRequest } from 'fastify'
import { type ChangeHome, type ChangeSubmission, changeSubmission } from './changes.ts'
import type { Submission } from './commands.ts'
import { bodyHash, callerOf, idempotencyKeyOf } from './identity.ts'
import { reservationHash } from './outcomes.ts'
import { ownerOf } from './ownership.ts'
import { invalid, ProblemError } from './problem.ts'
import type { RouteContext } from './route.ts'

export const RESERVE_ENDPOINT = 'POST /reservations'

/** Checks what a schema cannot and builds the command. `pointer` is where the request lies in the body. */
export function reserveSubmission(
  { deps, options }: RouteContext,
  request: FastifyRequest,
  body: ReserveRequest,
  source: { readonly endpoint: string; readonly key: string | null; readonly index: number },
  pointer = '',
): Submission {
  const { slot_id, user_id, quantity, mode, hold_ttl_seconds, join_waitlist, metadata } = body
  // Throws for somebody else's.
  ownerOf(request, user_id)
  // A place in line keeps it: the hold that it may become has this length.
  if (hold_ttl_seconds !== undefined && mode === 'confirm' && !join_waitlist) {
    throw invalid('body', `${pointer}/hold_ttl_seconds`, 'is of a hold, and mode: confirm makes none')
  }
  const fault = metadata === undefined ? null : metadataFault(metadata)
  if (fault !== null) throw invalid('body', `${pointer}/metadata`, fault)
  const known = deps.slots.peek(slot_id)
  if (known !== undefined && 'missing' in known) throw new ProblemError({ code: 'slot-not-found' })
  const scope = { caller: callerOf(request) ?? user_id, endpoint: source.endpoint, partitionKey: slot_id }
  const { id, keyed } = deps.identity.commandId(scope, source.key, source.index, deps.nowMs())
  const hash = keyed ? reservationHash(body) : undefined
  return {
    id,
    scope,
    key: keyed ? source.key : null,
    index: source.index,
    subjectId: id,
    kind: 'create',
    topic: topics.reservationCommands,
    partition: partitionOfId(id, options.partitions),
    logKey: slot_id,
    command: {
      type: 'reserve',
      slot_id,
      user_id,
      quantity,
      mode,
      hold_ttl_seconds,
      join_waitlist: join_waitlist || undefined,
      metadata,
      body_hash: hash,
    },
    bodyHash: hash,
  }
}

export function confirmSubmission(
  context: RouteContext,
  request: FastifyRequest,
  id: string,
  { late, user_id, idempotency_key }: ConfirmRequest,
): ChangeSubmission {
  const owner = ownerOf(request, user_id)
  return changeSubmission(context, homeOf(context, id), {
    id,
    key: idempotencyKeyOf(request, idempotency_key),
    caller: callerOf(request) ?? owner,
    owner,
    endpoint: 'POST /reservations/confirm',
    command: { type: 'confirm', reservation_id: id, late, caller: owner },
    hash: bodyHash({ reservation_id: id, late, user_id }),
  })
}

export function cancelSubmission(
  context: RouteContext,
  request: FastifyRequest,
  id: string,
  { user_id }: CancelQuery,
): ChangeSubmission {
  const owner = ownerOf(request, user_id)
  return changeSubmission(context, homeOf(context, id), {
    id,
    key: idempotencyKeyOf(request, undefined),
    caller: callerOf(request) ?? owner,
    owner,
    endpoint: 'DELETE /reservations',
    command: { type: 'cancel', reservation_id: id, caller: owner },
  })
}

function homeOf({ options }: RouteContext, id: string): ChangeHome {
  return { topic: topics.reservationCommands, partition: partitionOfId(id, options.partitions) }
}
