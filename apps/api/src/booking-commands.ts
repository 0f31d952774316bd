/** From a request about a booking to the command that goes into the log. */
import { type BookRequest, limits, partitionOfKey, type SlotId, topics } from '@ironsys/contracts'
import type { FastifyRequest } from 'fastify'
import { type ChangeSubmission, changeSubmission } from './changes.ts'
import type { Submission } from './commands.ts'
import { bodyHash, callerOf, type IdentityScope } from './identity.ts'
import { ownerOf } from './ownership.ts'
import { invalid, ProblemError } from './problem.ts'
import type { RouteContext } from './route.ts'

const BOOK_ENDPOINT = 'POST /bookings'

export interface BookSubmission extends Submission {
  readonly items: readonly BookedItem[]
}

export interface BookedItem {
  readonly slot_id: string
  readonly quantity: number
  readonly reservation_id: string
}

/** Checks what a schema cannot and builds the command, with one item per slot. */
export function bookSubmission(
  { deps, options }: RouteContext,
  request: FastifyRequest,
  body: BookRequest,
  key: string | null,
): BookSubmission {
  const { user_id, mode, hold_ttl_seconds } = body
  // Throws for somebody else's.
  ownerOf(request, user_id)
  if (hold_ttl_seconds !== undefined && mode !== 'hold') {
    throw invalid('body', '/hold_ttl_seconds', 'is of a booking with mode: hold')
  }
  const demand = demandBySlot(body.items)
  for (const slotId of demand.keys()) {
    const known = deps.slots.peek(slotId)
    if (known !== undefined && 'missing' in known)
      throw new ProblemError({ code: 'slot-not-found', failedSlotId: slotId })
  }
  const caller = callerOf(request) ?? user_id
  const idIn = (scope: IdentityScope) => deps.identity.commandId(scope, key, 0, deps.nowMs())
  // A booking's id is its own partition key and embeds none, so the derivation gets one that is always the same.
  const scope = { caller, endpoint: BOOK_ENDPOINT, partitionKey: 'bookings' }
  const { id, keyed } = idIn(scope)
  const items = [...demand].map(([slot_id, quantity]) => {
    return { slot_id, quantity, reservation_id: idIn({ ...scope, partitionKey: slot_id }).id }
  })
  const hash = keyed ? bookingHash(body, demand) : undefined
  return {
    id,
    scope,
    key: keyed ? key : null,
    subjectId: id,
    kind: 'create',
    topic: topics.bookingCommands,
    partition: partitionOfKey(id, options.partitions),
    logKey: id,
    command: { type: 'book', user_id, items, mode, hold_ttl_seconds, body_hash: hash },
    bodyHash: hash,
    items,
  }
}

export type BookingChange = 'confirm_booking' | 'cancel_booking'

const changeEndpoints: Readonly<Record<BookingChange, string>> = {
  confirm_booking: 'POST /bookings/confirm',
  cancel_booking: 'DELETE /bookings',
}

/** `userId` is the user that the request names. */
export function bookingChangeSubmission(
  context: RouteContext,
  request: FastifyRequest,
  type: BookingChange,
  id: string,
  { key, userId }: { readonly key: string | null; readonly userId: string | undefined },
): ChangeSubmission {
  const owner = ownerOf(request, userId)
  const home = { topic: topics.bookingCommands, partition: partitionOfKey(id, context.options.partitions) }
  const command = { type, booking_id: id, caller: owner }
  const caller = callerOf(request) ?? owner
  return changeSubmission(context, home, {
    id,
    key,
    caller,
    owner,
    endpoint: changeEndpoints[type],
    command,
  })
}

/** Units per slot, in the order in which the slots are first named. Throws a 422 where they are too many. */
function demandBySlot(items: BookRequest['items']): ReadonlyMap<SlotId, number> {
  const demand = new Map<SlotId, number>()
  for (const [index, { slot_id, quantity }] of items.entries()) {
    const sum = (demand.get(slot_id) ?? 0) + quantity
    if (sum > limits.quantityMax) {
      const detail = `together with the items before it, more than ${limits.quantityMax} units of this slot`
      throw invalid('body', `/items/${index}/quantity`, detail)
    }
    demand.set(slot_id, sum)
  }
  return demand
}

/** However the demand was split and ordered, the same booking has the same hash. */
function bookingHash({ user_id, mode, hold_ttl_seconds }: BookRequest, demand: ReadonlyMap<string, number>) {
  return bodyHash({ user_id, mode, hold_ttl_seconds, items: Object.fromEntries(demand) })
}
