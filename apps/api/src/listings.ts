/** Who has what: a slot's reservations, for its organiser, and a user's. */
import {
  routingHash,
  routingHashOfId,
  type SlotParams,
  type SlotReservationsQuery,
  type UserParams,
  type UserReservationsQuery,
} from '@ironsys/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { acceptedType } from './accept.ts'
import { sendPrivate } from './commands.ts'
import { csvOf } from './csv.ts'
import type { ApiDeps, SlotReservationsFilter } from './deps.ts'
import { bodyOfUnknownLength } from './no-body.ts'
import {
  decodeIdPosition,
  decodeTimePosition,
  encodeIdPosition,
  encodeTimePosition,
  invalidCursor,
} from './page-cursor.ts'
import { invalid, ProblemError } from './problem.ts'
import { type RouteContext, routeOptions } from './route.ts'
import { routes } from './routes.ts'
import { reading } from './store.ts'

const PAGE_ITEMS = 50
const EXPORT_PAGE_ITEMS = 1000
/** The first is what a client without an `Accept` gets. */
const FORMS = ['application/json', 'text/csv'] as const

export function listingRoutes(app: FastifyInstance, context: RouteContext): void {
  const { deps } = context

  app.route<{ Params: SlotParams; Querystring: SlotReservationsQuery }>({
    ...routeOptions(context, routes.listSlotReservations),
    handler: async (request, reply) => {
      reply.header('vary', 'accept')
      const form = acceptedType(request.headers.accept, FORMS)
      if (form === null)
        throw new ProblemError({ code: 'not-acceptable', detail: `It is ${FORMS.join(' or ')}` })
      if (form === 'text/csv') return exportSlot(deps, request, reply)
      const { status, limit = PAGE_ITEMS, cursor } = request.query
      const { items, next } = await slotPage(deps, {
        slotId: request.params.id,
        limit,
        ...(status !== undefined && { status }),
        ...(cursor !== undefined && { after: positionIn(request.params.id, cursor) }),
      })
      const next_cursor = next === null ? null : encodeIdPosition(next)
      return sendPrivate(reply, 200, null, { items, next_cursor })
    },
  })

  app.route<{ Params: UserParams; Querystring: UserReservationsQuery }>({
    ...routeOptions(context, routes.listUserReservations),
    handler: async (request, reply) => {
      const { limit = PAGE_ITEMS, cursor } = request.query
      const after = cursor === undefined ? null : decodeTimePosition(cursor)
      const { items, next } = await reading(
        deps.reads.reservationsOfUser({
          userId: request.params.user_id,
          limit,
          ...(after !== null && { after: { createdAt: after.time, id: after.id } }),
        }),
      )
      const next_cursor = next === null ? null : encodeTimePosition({ time: next.createdAt, id: next.id })
      return sendPrivate(reply, 200, null, { items, next_cursor })
    },
  })
}

/** A place outside of the slot's own ids would have the store look through those of others. */
function positionIn(slotId: string, cursor: string): string {
  const id = decodeIdPosition(cursor)
  if (routingHashOfId(id) === routingHash(slotId)) return id
  throw invalidCursor()
}

/** Every page, as one file. */
async function exportSlot(
  deps: ApiDeps,
  { params, query, method }: FastifyRequest<{ Params: SlotParams; Querystring: SlotReservationsQuery }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  for (const field of ['limit', 'cursor'] as const) {
    if (query[field] !== undefined)
      throw invalid('query', `/${field}`, 'is of pages: an export has all of them')
  }
  const { status } = query
  // Nobody reads the rows of a HEAD: it only learns whether there is such a slot.
  const limit = method === 'HEAD' ? 1 : EXPORT_PAGE_ITEMS
  const filter = { slotId: params.id, limit, ...(status !== undefined && { status }) }
  const first = await slotPage(deps, filter)
  reply
    .header('content-type', 'text/csv; charset=utf-8; header=present')
    .header('content-disposition', `attachment; filename="reservations-${params.id}.csv"`)
    .header('cache-control', 'private, no-store')
  if (method === 'HEAD') return reply.send(bodyOfUnknownLength())
  return reply.send(csvOf(first, (after) => slotPage(deps, { ...filter, after }), deps.closing))
}

/** Throws 404 for an unknown slot. */
async function slotPage({ reads }: ApiDeps, filter: SlotReservationsFilter) {
  const page = await reading(reads.reservationsOfSlot(filter))
  if (page === null) throw new ProblemError({ code: 'slot-not-found' })
  return page
}
