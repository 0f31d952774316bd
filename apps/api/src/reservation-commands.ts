/** From a request about a reservation to the command that goes into the log. */
import { metadataFault, partitionOfId, type ReserveRequest } from '@ironsys/contracts'
import type { FastifyRequest } from 'fastify'
import type { Submission } from './commands.ts'
import { callerOf, idempotencyKeyOf } from './identity.ts'
import { reservationHash } from './outcomes.ts'
import { invalid, ProblemError } from './problem.ts'
import type { RouteContext } from './route.ts'

export const RESERVE_ENDPOINT = 'POST /reservations'

export interface ReserveSubmission extends Submission {
  readonly command: Submission['command'] & { readonly body_hash: string | undefined }
}

/** Checks what a schema cannot and builds the command. `pointer` is where the request lies in the body. */
export function reserveSubmission(
  { deps, options }: RouteContext,
  request: FastifyRequest,
  body: ReserveRequest,
  source: { readonly endpoint: string; readonly key: string | null; readonly index: number },
  pointer = '',
): ReserveSubmission {
  const { slot_id, user_id, quantity, metadata } = body
  const fault = metadata === undefined ? null : metadataFault(metadata)
  if (fault !== null) throw invalid('body', `${pointer}/metadata`, fault)
  const known = deps.slots.peek(slot_id)
  if (known !== undefined && 'missing' in known) throw new ProblemError({ code: 'slot-not-found' })
  const scope = { caller: callerOf(request) ?? user_id, endpoint: source.endpoint, partitionKey: slot_id }
  const { id, keyed } = deps.identity.commandId(scope, source.key, source.index, deps.nowMs())
  const body_hash = keyed ? reservationHash(body) : undefined
  return {
    id,
    scope,
    key: keyed ? source.key : null,
    subjectId: id,
    kind: 'create',
    partition: partitionOfId(id, options.partitions),
    logKey: slot_id,
    command: { type: 'reserve', slot_id, user_id, quantity, metadata, body_hash },
    bodyHash: body_hash,
  }
}

export function cancelSubmission(
  { deps, options }: RouteContext,
  request: FastifyRequest,
  id: string,
): Submission {
  const scope = { caller: callerOf(request) ?? '', endpoint: 'DELETE /reservations', partitionKey: id }
  const key = idempotencyKeyOf(request, undefined)
  const command = deps.identity.commandId(scope, key, 0, deps.nowMs())
  return {
    id: command.id,
    scope,
    key: command.keyed ? key : null,
    subjectId: id,
    kind: 'change',
    partition: partitionOfId(id, options.partitions),
    logKey: id,
    command: { type: 'cancel', reservation_id: id },
  }
}
