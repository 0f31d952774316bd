/** What OpenAPI tells of routes beyond what zod schemas and the table say. */
import { bookRequestSchema, reserveRequestSchema, updateSlotRequestSchema } from '@ironsys/contracts'
import type { z } from 'zod'
import type { RouteSpec } from './route-spec.ts'

type Json = Record<string, unknown>

const has = (field: string, value: unknown) => ({
  properties: { [field]: { const: value, description: 'What the rule is about.' } },
  required: [field],
})

/** What one field means for another: handlers check it, and JSON Schema can say it. */
export const rulesAcrossFields: ReadonlyMap<z.ZodType, Json> = new Map<z.ZodType, Json>([
  [
    updateSlotRequestSchema,
    { anyOf: ['name', 'capacity', 'overbooking_bps', 'status'].map((field) => ({ required: [field] })) },
  ],
  [
    reserveRequestSchema,
    {
      dependentSchemas: {
        hold_ttl_seconds: { anyOf: [{ not: has('mode', 'confirm') }, has('join_waitlist', true)] },
      },
    },
  ],
  [bookRequestSchema, { dependentSchemas: { hold_ttl_seconds: has('mode', 'hold') } }],
])

/** Who may use it, in words. */
export function accessText({ access }: RouteSpec): string {
  if (access === 'public') return 'Public: nobody is asked who they are.'
  const scope = `Takes the scope \`${access.scope}\``
  if (!('owner' in access)) return `${scope}.`
  switch (access.owner) {
    case 'named':
      return `${scope}; to name another user than the caller takes \`operate\`.`
    case 'thing':
      return `${scope}; without \`operate\`, what belongs to another user reads as if there were none.`
    case 'path':
      return `${scope}; without \`operate\` there is no user but the caller.`
  }
}

const ofId = (operationId: string) => ({ operationId, parameters: { id: '$response.body#/id' } })

/** By the operation that makes it: what can be done next with the id of its answer. */
const nextOf: Readonly<Record<string, readonly string[]>> = {
  createSlot: ['getSlot', 'updateSlot', 'auditSlot', 'listSlotReservations'],
  reserve: ['getReservation', 'confirmReservation', 'cancelReservation'],
  book: ['getBooking', 'confirmBooking', 'cancelBooking'],
}

/** Of the answers that have an id. */
export function linksOf({ operationId }: RouteSpec): Json {
  const next = nextOf[operationId]
  return next === undefined ? {} : { links: Object.fromEntries(next.map((name) => [name, ofId(name)])) }
}
