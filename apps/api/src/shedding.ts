/**
 * Refuses commands while there is too much to do: before the body is read, before tokens of rate limits are taken, and before
 * anybody is asked who they are. Reads are not refused: they have bounds of their own, and mostly come from memory.
 */
import type { IncomingMessage } from 'node:http'
import type { CounterCell } from '@ironsys/telemetry'
import type { FastifyInstance } from 'fastify'
import type { ApiDeps } from './deps.ts'
import type { LimitName } from './limit-config.ts'
import { sendProblem } from './problem.ts'
import type { ShedReason, WorkKind } from './shedder.ts'

/** Call after the hooks that every answer needs, and before all that cost more. `passed`: what may pass already. */
export function shedLoad(
  app: FastifyInstance,
  { shedder, metrics }: Pick<ApiDeps, 'shedder' | 'metrics'>,
  passed: WeakSet<IncomingMessage>,
): void {
  const count = shedCounter(metrics)
  app.decorateRequest('isShed', false)
  app.addHook('onRequest', (request, reply, done) => {
    if (passed.has(request.raw)) return done()
    const kind = workOf(request.routeOptions.config.endpoint?.limit)
    const refusal = kind === null ? null : shedder.refusal(kind)
    if (kind === null || refusal === null) return done()
    const { reason, retryAfterSeconds } = refusal
    count(reason, kind)
    request.isShed = true
    sendProblem(request, reply, { code: 'overloaded', retryAfterSeconds })
  })
}

/** Null for what is never shed. */
export function workOf(limit: LimitName | undefined): WorkKind | null {
  switch (limit) {
    case 'writing':
      return 'new'
    case 'finishing':
      return 'finishing'
    case 'reading':
    case 'ip':
    case 'user':
    case undefined:
      return null
  }
}

export function shedCounter({
  shed,
}: Pick<ApiDeps['metrics'], 'shed'>): (reason: ShedReason, kind: WorkKind) => void {
  const ofReason = (reason: ShedReason) => ({
    new: shed.with({ reason, class: 'new' }),
    finishing: shed.with({ reason, class: 'finishing' }),
  })
  const cells: Readonly<Record<ShedReason, Readonly<Record<WorkKind, CounterCell>>>> = {
    'produce-queue': ofReason('produce-queue'),
    'event-loop': ofReason('event-loop'),
    'worker-lag': ofReason('worker-lag'),
  }
  return (reason, kind) => cells[reason][kind].inc()
}
