/** POST /reservations/batch: every item is checked, accepted or refused on its own, and answered in its place. */
import { type ReserveBatchEnvelope, type ReserveRequest, reserveRequestSchema } from '@ironsys/contracts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Commands, markReplayed, sendPrivate } from './commands.ts'
import { idempotencyKeyOf } from './identity.ts'
import { limitItems } from './limits.ts'
import { reserveOutcome } from './outcomes.ts'
import { type Problem, ProblemError, problemDocument, sendProblem } from './problem.ts'
import { RESERVE_ENDPOINT, reserveSubmission } from './reservation-commands.ts'
import { type RouteContext, routeOptions } from './route.ts'
import { routes } from './routes.ts'
import { type Check, compileCheck } from './validation.ts'

const BATCH_ENDPOINT = 'POST /reservations/batch'

type Item =
  | {
      readonly answer: { readonly id: string; readonly status: 'pending'; readonly cursor: string }
      readonly isReplay: boolean
    }
  | { readonly problem: Problem }

export function reserveBatchRoute(app: FastifyInstance, context: RouteContext, commands: Commands): void {
  const check = compileCheck(reserveRequestSchema, 'body')

  app.route<{ Body: ReserveBatchEnvelope }>({
    ...routeOptions(context, routes.reserveBatch),
    handler: async (request, reply) => {
      await limitItems(context.deps, request, reply, request.body.items.length)
      const key = idempotencyKeyOf(request, request.body.idempotency_key)
      const items = await Promise.all(
        request.body.items.map((item, index) =>
          acceptItem(context, commands, check, request, { item, index, key }),
        ),
      )
      const refused = refusedAsOne(items)
      if (refused !== null) return sendProblem(request, reply, refused)
      if (isReplayOfAll(items)) markReplayed(reply)
      return sendPrivate(reply, 202, null, {
        items: items.map((item) =>
          'problem' in item ? { error: problemDocument(item.problem, request.id) } : item.answer,
        ),
      })
    },
  })
}

interface BatchItem {
  readonly item: unknown
  readonly index: number
  /** The batch's; an item's own key counts only without it. */
  readonly key: string | null
}

async function acceptItem(
  context: RouteContext,
  commands: Commands,
  check: Check<ReserveRequest>,
  request: FastifyRequest,
  { item, index, key }: BatchItem,
): Promise<Item> {
  const pointer = `/items/${index}`
  const checked = check(item)
  if ('errors' in checked) {
    const placed = checked.errors.map((error) => ({ ...error, pointer: pointer + error.pointer }))
    return { problem: { code: 'invalid-request', errors: placed } }
  }
  try {
    const body = checked.value
    const source =
      key === null
        ? { endpoint: RESERVE_ENDPOINT, key: body.idempotency_key ?? null, index: 0 }
        : { endpoint: BATCH_ENDPOINT, key, index }
    const submission = reserveSubmission(context, request, body, source, pointer)
    const { id, bodyHash } = submission
    const { place, isReplay } = await commands.accept(submission, () =>
      reserveOutcome(context.deps, id, bodyHash),
    )
    const cursor = commands.cursor(place, id, request)
    return { answer: { id, status: 'pending', cursor }, isReplay }
  } catch (error) {
    if (error instanceof ProblemError) return { problem: error.problem }
    throw error
  }
}

/** Nothing of it was done now. */
function isReplayOfAll(items: readonly Item[]): boolean {
  const accepted = items.flatMap((item) => ('problem' in item ? [] : [item.isReplay]))
  return accepted.length > 0 && accepted.every((isReplay) => isReplay)
}

/** When nothing at all could be accepted because of the log, the batch as a whole was not. */
function refusedAsOne(items: readonly Item[]): Problem | null {
  const [first] = items
  if (first === undefined || !('problem' in first)) return null
  const { code } = first.problem
  if (code !== 'overloaded' && code !== 'log-unavailable') return null
  return items.every((item) => 'problem' in item && item.problem.code === code) ? first.problem : null
}
