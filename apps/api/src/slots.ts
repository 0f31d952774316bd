/** GET /slots, GET /slots/:id and its audit: what everyone may see. The commands are in slot-commands.ts. */
import type { SnapshotRead } from '@ironsys/cache'
import type { AuditDocument, SlotDocument, SlotParams, SlotQuery, SlotsQuery } from '@ironsys/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ApiDeps } from './deps.ts'
import { pageObserver } from './metric-observers.ts'
import { bodyOfUnknownLength } from './no-body.ts'
import { decodeTimePosition, encodeTimePosition } from './page-cursor.ts'
import { patience } from './prefer.ts'
import { ProblemError, sendProblem } from './problem.ts'
import { type RouteContext, routeOptions } from './route.ts'
import { routes } from './routes.ts'
import { slotCommandRoutes } from './slot-commands.ts'
import { createSlotPages } from './slot-pages.ts'
import { createSnapshotHead, JSON_TYPE, type SnapshotHead, snapshotBody } from './snapshot-answer.ts'
import { reading } from './store.ts'
import { utcTime } from './times.ts'

const PAGE_ITEMS = 50
/** How long a `min_version` ahead of us is waited for, and how long after a look the store is asked again. */
const VERSION_WAIT_MS = 1000
const VERSION_CHECK_MS = 200
/** What the last look for a slot that is not there leaves itself to be answered in. */
const LAST_LOOK_MS = 80
const AUDIT_FRESH_MS = 1000
const AUDITS_KEPT = 1000
const AUDITS_AT_A_TIME = 4

export function slotRoutes(app: FastifyInstance, context: RouteContext): void {
  const { deps } = context
  const headOf = createSnapshotHead(context.options)
  slotCommandRoutes(app, context)

  app.route<{ Params: SlotParams; Querystring: SlotQuery }>({
    ...routeOptions(context, routes.getSlot),
    handler: (request, reply) => {
      const { min_version } = request.query
      const read = min_version === undefined ? deps.slots.getNow(request.params.id) : undefined
      return read === undefined
        ? findSlot(deps, request, reply, min_version ?? 0).then((found) =>
            sendSlot(request, reply, found, headOf),
          )
        : sendSlot(request, reply, read, headOf)
    },
  })

  const readPage = createSlotPages({ ...deps, observe: pageObserver(deps.metrics) })
  app.route<{ Querystring: SlotsQuery }>({
    ...routeOptions(context, routes.listSlots),
    handler: async (request, reply) => {
      const { from, to, available, limit, cursor } = request.query
      const after = cursor === undefined ? null : decodeTimePosition(cursor)
      const { items, next, ageMs, stale } = await reading(
        readPage({
          limit: limit ?? PAGE_ITEMS,
          ...(from !== undefined && { from: utcTime(from, 'query', '/from') }),
          ...(to !== undefined && { to: utcTime(to, 'query', '/to') }),
          ...(available !== undefined && { available }),
          ...(after !== null && { after: { startTime: after.time, id: after.id } }),
        }),
      )
      const next_cursor = next === null ? null : encodeTimePosition({ time: next.startTime, id: next.id })
      reply.header('age', String(Math.floor(ageMs / 1000)))
      const body = JSON.stringify({ items, next_cursor, stale })
      return sendPublic(reply, 'public, max-age=0, s-maxage=1', body)
    },
  })

  const audits = createAudits(deps)
  app.route<{ Params: SlotParams }>({
    ...routeOptions(context, routes.auditSlot),
    handler: async (request, reply) => {
      const audit = await reading(audits(request.params.id))
      if (audit === null) return sendProblem(request, reply, { code: 'slot-not-found' })
      return sendPublic(reply, 'public, max-age=1', JSON.stringify(audit))
    },
  })
}

async function findSlot(
  deps: ApiDeps,
  { params: { id } }: FastifyRequest<{ Params: SlotParams }>,
  reply: FastifyReply,
  minVersion: number,
): Promise<SnapshotRead<SlotDocument>> {
  if (minVersion === 0) return reading(deps.slots.get(id))
  const untilMs = deps.nowMs() + VERSION_WAIT_MS
  const gone = patience(reply, deps.closing)
  const wanted = { id, minVersion }
  let last: SnapshotRead<SlotDocument> | null = null
  do {
    const read = await lookUnlessTold(deps, wanted, untilMs - deps.nowMs())
    if (read === null) break
    if (reaches(read, minVersion)) return read
    last = read
    // What is not there is announced when it is made: the store is asked once more before the end, and not all the time.
    const restMs = untilMs - deps.nowMs()
    const isUnknown = 'missing' in read && restMs > LAST_LOOK_MS
    const pauseMs = isUnknown ? restMs - LAST_LOOK_MS : Math.min(restMs, VERSION_CHECK_MS)
    const told = await versionTold(deps, wanted, pauseMs, gone)
    if (told !== null) return told
  } while (!gone.aborted && deps.nowMs() < untilMs)
  if (last !== null && 'missing' in last) return last
  // Nobody could look whether it is there.
  if (last === null || last.stale) throw new ProblemError({ code: 'reads-unavailable', retryAfterSeconds: 1 })
  throw new ProblemError({ code: 'version-not-reached', detail: `the slot is at version ${last.version}` })
}

interface Wanted {
  readonly id: SlotParams['id']
  readonly minVersion: number
}

/** What one look finds, or the version if it is announced first; null when there is neither after `leftMs`. */
async function lookUnlessTold(
  deps: ApiDeps,
  wanted: Wanted,
  leftMs: number,
): Promise<SnapshotRead<SlotDocument> | null> {
  const looked = new AbortController()
  try {
    const look = reading(deps.slots.get(wanted.id, { minVersion: wanted.minVersion }))
    return await Promise.race([look, versionTold(deps, wanted, leftMs, looked.signal)])
  } finally {
    looked.abort()
  }
}

/**
 * The version once it is announced; null after `timeoutMs`, or when `signal` aborts. Asks nobody: a slot that sells
 * is announced many times a second.
 */
async function versionTold(
  { slots, arrivals, nowMs }: ApiDeps,
  { id, minVersion }: Wanted,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<SnapshotRead<SlotDocument> | null> {
  const untilMs = nowMs() + timeoutMs
  for (;;) {
    const known = slots.peek(id)
    if (known !== undefined && reaches(known, minVersion)) return known
    const leftMs = untilMs - nowMs()
    if (leftMs <= 0 || signal.aborted) return null
    await arrivals.next(id, leftMs, signal)
  }
}

function reaches(read: SnapshotRead<SlotDocument>, minVersion: number): boolean {
  return 'version' in read && read.version >= minVersion
}

function sendSlot(
  request: FastifyRequest,
  reply: FastifyReply,
  read: SnapshotRead<SlotDocument>,
  headOf: SnapshotHead,
): FastifyReply {
  if ('missing' in read) return sendProblem(request, reply, { code: 'slot-not-found' })
  const { etag, age, caching } = headOf(read)
  reply.header('etag', etag).header('age', age).header('cache-control', caching)
  const known = request.headers['if-none-match']
  if (known !== undefined && namesTag(known, etag)) {
    return reply.code(304).send(request.method === 'HEAD' ? bodyOfUnknownLength() : undefined)
  }
  return reply.header('content-type', JSON_TYPE).send(snapshotBody(read))
}

/** Weak comparison (RFC 9110 §8.8.3.2). */
function namesTag(header: string, etag: string): boolean {
  const opaque = (tag: string) => tag.trim().replace(/^W\//, '')
  return header.split(',').some((tag) => tag.trim() === '*' || opaque(tag) === opaque(etag))
}

function sendPublic(reply: FastifyReply, caching: string, body: string): FastifyReply {
  return reply.header('content-type', JSON_TYPE).header('cache-control', caching).send(body)
}

/**
 * One query per slot at a time, and its answer for a second more, however many ask: it adds up a whole ledger. Of all
 * slots together only a few run, so that they leave connections to others; beyond that it is `overloaded`.
 */
function createAudits({ reads, nowMs }: ApiDeps): (slotId: string) => Promise<AuditDocument | null> {
  const running = new Map<string, Promise<AuditDocument | null>>()
  const recent = new Map<string, { readonly audit: AuditDocument | null; readonly readMs: number }>()
  async function read(slotId: string): Promise<AuditDocument | null> {
    try {
      const audit = await reads.audit(slotId)
      recent.delete(slotId)
      recent.set(slotId, { audit, readMs: nowMs() })
      const [oldest] = recent.keys()
      if (recent.size > AUDITS_KEPT && oldest !== undefined) recent.delete(oldest)
      return audit
    } finally {
      running.delete(slotId)
    }
  }
  return async (slotId) => {
    const known = recent.get(slotId)
    if (known !== undefined && nowMs() - known.readMs < AUDIT_FRESH_MS) return known.audit
    const under = running.get(slotId)
    if (under !== undefined) return under
    if (running.size >= AUDITS_AT_A_TIME) throw new ProblemError({ code: 'overloaded', retryAfterSeconds: 1 })
    const audit = read(slotId)
    running.set(slotId, audit)
    return audit
  }
}
