/** What operators do, one line each: who, what, when, with which outcome. Not what they only look at. */
import type { Logger } from '@ironsys/telemetry'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ProblemCode } from './errors.ts'
import { actorOf } from './ownership.ts'
import { pathOf } from './problem.ts'

declare module 'fastify' {
  interface FastifyReply {
    /** Of an answer that is a problem. */
    problemCode: ProblemCode | null
  }
}

/** `log` is the audit's own: no log level takes lines from it. Who is not known is not logged, only counted. */
export function auditAdminActions(app: FastifyInstance, log: Logger): void {
  app.decorateReply('problemCode', null)
  app.addHook('onResponse', (request, reply, done) => {
    if (isAdminAction(request)) {
      const { id: request_id, caller, method, url, routeOptions } = request
      log.info(
        {
          request_id,
          by: actorOf(request),
          via: caller?.via,
          address: request.ip,
          action: `${method} ${routeOptions.url}`,
          target: pathOf(url),
          status: reply.statusCode,
          outcome: reply.problemCode ?? 'ok',
        },
        'admin action',
      )
    }
    done()
  })
}

function isAdminAction({ method, caller, routeOptions }: FastifyRequest): boolean {
  const { access } = routeOptions.config
  const isRead = method === 'GET' || method === 'HEAD'
  return (
    !isRead && caller !== null && access !== undefined && access !== 'public' && access.scope !== 'reserve'
  )
}
