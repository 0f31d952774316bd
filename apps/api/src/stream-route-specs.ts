/** The routes of streams. */
import { slotParamsSchema, slotStreamMessageSchema, streamQuerySchema } from '@ironsys/contracts'
import type { RouteSpec } from './route-spec.ts'

const refusals = ['slot-not-found', 'too-many-streams', 'overloaded', 'reads-unavailable'] as const

export const streamRouteSpecs = {
  streamSlot: {
    method: 'GET',
    url: '/slots/:id/events',
    operationId: 'streamSlot',
    tag: 'slots',
    summary: 'A slot as it changes, as Server-Sent Events',
    access: 'public',
    params: slotParamsSchema,
    query: streamQuerySchema,
    headers: ['Last-Event-ID'],
    answers: {
      200: {
        description:
          'Events without end: `snapshot` with its `id` and, as `data`, what `GET /slots/{id}` answers: first the one that is current, unless the client has it, then the changes, at most ten a second (versions may be left out); `gone` when the slot was removed. Ends when the server shuts down: connect again.',
        schema: slotStreamMessageSchema,
        onlyType: 'text/event-stream',
        headers: ['X-Accel-Buffering'],
      },
    },
    problems: ['not-acceptable', ...refusals],
  },
  streamSlotWebSocket: {
    method: 'GET',
    url: '/slots/:id/ws',
    operationId: 'streamSlotWebSocket',
    tag: 'slots',
    summary: 'The same over WebSocket',
    access: 'public',
    params: slotParamsSchema,
    query: streamQuerySchema,
    headers: [],
    answers: {
      101: {
        description:
          'Each message of the stream as JSON text. Closed with 1000 after `gone`, with 1001 when the server shuts down: connect again. What the client sends is ignored; more than a few messages, or a large one, closes it (1008, 1009).',
        schema: slotStreamMessageSchema,
        headers: ['Upgrade', 'Sec-WebSocket-Accept'],
      },
    },
    problems: ['upgrade-required', ...refusals],
  },
} as const satisfies Record<string, RouteSpec>
