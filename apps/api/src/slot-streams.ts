/** GET /slots/:id/events and GET /slots/:id/ws: a slot as it changes. docs/streams.md is for those who use them. */
import type { SnapshotCache, SnapshotHit, Version } from '@ironsys/cache'
import { readStreamId, type SlotDocument, type SlotParams, type StreamQuery } from '@ironsys/contracts'
import type { ApiMetrics } from '@ironsys/telemetry'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { acceptedType } from './accept.ts'
import { streamObserver } from './metric-observers.ts'
import { bodyOfUnknownLength } from './no-body.ts'
import { sendProblem } from './problem.ts'
import { createObserve, type RouteContext, routeOptions } from './route.ts'
import type { RouteSpec } from './route-spec.ts'
import { routes } from './routes.ts'
import { reading } from './store.ts'
import type { Stream } from './stream.ts'
import { retryFrame } from './stream-frames.ts'
import {
  createStreamHub,
  type OpenOutcome,
  type StreamHub,
  type StreamHubOptions,
  type StreamLimit,
} from './stream-hub.ts'
import { eventStreamWire, webSocketWire } from './stream-wires.ts'
import { routeUpgrades } from './upgrades.ts'

const EVENT_STREAM = 'text/event-stream'
/** Clients come back within this time, each at its own: thousands of them, when their process ends. */
const RETRY_MS = { least: 1000, most: 3000 } as const
const FULL_RETRY_SECONDS = 5

export function createSlotStreams(
  cache: SnapshotCache<SlotDocument>,
  metrics: ApiMetrics,
  options: StreamHubOptions,
): StreamHub {
  return createStreamHub({ cache, toBody, observer: streamObserver(metrics) }, options)
}

interface StreamRoute {
  Params: SlotParams
  Querystring: StreamQuery
}
type StreamRequest = FastifyRequest<StreamRoute>

export function slotStreamRoutes(app: FastifyInstance, context: RouteContext): void {
  const { slots, slotStreams } = context.deps
  const upgradeOf = routeUpgrades(app)
  app.addHook('preClose', (done) => {
    slotStreams.drain()
    done()
  })

  const events = streamRoute(context, routes.streamSlot)
  app.route<StreamRoute>({
    ...events.options,
    handler: async (request, reply) => {
      if (acceptedType(request.headers.accept, [EVENT_STREAM]) === null) {
        return sendProblem(request, reply, { code: 'not-acceptable' })
      }
      if (request.method === 'HEAD') {
        const read = await reading(slots.get(request.params.id))
        if ('missing' in read) return sendProblem(request, reply, { code: 'slot-not-found' })
        return eventStreamHead(reply).send(bodyOfUnknownLength())
      }
      const outcome = await openStream(context, request)
      if (outcome.kind !== 'opened') return sendRefusal(request, reply, outcome)
      events.begun(request, reply)
      startEvents(eventStreamHead(reply), outcome.stream, outcome.sent)
      return reply
    },
  })

  const webSocket = streamRoute(context, routes.streamSlotWebSocket)
  app.route<StreamRoute>({
    ...webSocket.options,
    handler: async (request, reply) => {
      const upgrade = upgradeOf(request.raw)
      if (upgrade === null) {
        reply.header('upgrade', 'websocket').header('connection', 'upgrade')
        return sendProblem(request, reply, { code: 'upgrade-required' })
      }
      if (upgrade.fault !== null)
        return sendProblem(request, reply, { code: 'bad-request', detail: upgrade.fault })
      const outcome = await openStream(context, request)
      if (outcome.kind !== 'opened') return sendRefusal(request, reply, outcome)
      const { stream, sent } = outcome
      upgrade.socket.once('close', () => stream.closed())
      if (upgrade.socket.destroyed) stream.closed()
      webSocket.begun(request, reply.code(101))
      reply.hijack()
      upgrade.accept((opened) => stream.start(webSocketWire(opened, upgrade.socket, stream), sent))
      return reply
    },
  })
}

/** A stream is counted and timed when it begins: its end says nothing of how fast we are. Refusals are as everywhere. */
function streamRoute(context: RouteContext, spec: RouteSpec) {
  const begun = createObserve(context, spec.url, spec.method)
  const streams = new WeakSet<FastifyReply>()
  const options = routeOptions(context, spec)
  return {
    begun: (request: FastifyRequest, reply: FastifyReply) => {
      streams.add(reply)
      begun(request, reply)
    },
    options: {
      ...options,
      onResponse: (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
        if (streams.has(reply)) done()
        else options.onResponse(request, reply, done)
      },
    },
  }
}

function openStream({ deps }: RouteContext, request: StreamRequest): Promise<OpenOutcome> {
  const has = lastEventOf(request)
  return reading(deps.slotStreams.open(request.params.id, deps.addressOf(request.raw), has))
}

/** An id in the header that is none of ours is of another server that was here before: as if there were none. */
function lastEventOf({ headers, query }: StreamRequest): Version | null {
  const header = headers['last-event-id']
  return readStreamId(typeof header === 'string' ? header : (query.last_event_id ?? ''))
}

/** The body ends with the connection: bytes go out as they are, and no client waits for more on it afterwards. */
function eventStreamHead(reply: FastifyReply): FastifyReply {
  return reply
    .header('content-type', EVENT_STREAM)
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no')
    .header('connection', 'close')
}

function startEvents(reply: FastifyReply, stream: Stream, sent: Version | null): void {
  const response = reply.raw
  reply.hijack()
  if (response.destroyed) {
    stream.closed()
    return
  }
  const wire = eventStreamWire(response, stream)
  response.removeHeader('transfer-encoding')
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) response.setHeader(name, value)
  response.writeHead(200)
  response.write(retryFrame(RETRY_MS.least + Math.random() * (RETRY_MS.most - RETRY_MS.least)))
  stream.start(wire, sent)
}

function sendRefusal(
  request: FastifyRequest,
  reply: FastifyReply,
  refusal: Exclude<OpenOutcome, { readonly kind: 'opened' }>,
): FastifyReply {
  if (refusal.kind === 'missing') return sendProblem(request, reply, { code: 'slot-not-found' })
  const problems = {
    caller: { code: 'too-many-streams' },
    process: { code: 'overloaded', detail: 'As many streams are open here as this process takes.' },
  } as const satisfies Record<StreamLimit, object>
  return sendProblem(request, reply, { ...problems[refusal.by], retryAfterSeconds: FULL_RETRY_SECONDS })
}

/** The same bytes as GET's, where the cache has them. */
function toBody({ body, document, fromCache, stale }: SnapshotHit<SlotDocument>): Uint8Array {
  return Buffer.from(body ?? JSON.stringify({ ...document, from_cache: fromCache, stale }))
}
