/** The operations port: metrics, health and what operators do, on loopback unless configured. */
import type { DeadLetters } from '@ironsys/dead-letters'
import { type FastifyInstance, fastify } from 'fastify'
import { guardRoutes } from './access.ts'
import { auditAdminActions } from './admin-audit.ts'
import { configRoutes } from './admin-config.ts'
import { deadLetterRoutes } from './admin-dead-letters.ts'
import type { ApiDeps, ApiOptions } from './deps.ts'
import { answerFailures } from './failures.ts'
import { refuseForeignRequests } from './foreign-requests.ts'
import { sendLive, sendReady } from './health.ts'
import { sendProblem } from './problem.ts'
import { createRequestIds } from './request-id.ts'
import type { RuntimeSettings } from './runtime-settings.ts'
import { addSecurityHeaders } from './security-headers.ts'
import { validatorCompiler } from './validation.ts'

/** What scrapers and balancers ask for, who have no credentials: the port is not for everybody. */
const isPublic = { config: { access: 'public' } } as const

export interface OperationsDeps
  extends Pick<ApiDeps, 'metrics' | 'health' | 'logger' | 'authenticator' | 'auditLog'> {
  /** Null until the servers were reached: this port listens before that. */
  readonly deadLetters: () => DeadLetters | null
  readonly settings: () => RuntimeSettings | null
}

export function buildOperations(
  deps: OperationsDeps,
  { instanceId }: Pick<ApiOptions, 'instanceId'>,
): FastifyInstance {
  const { metrics, health, logger } = deps
  const app = fastify({
    logger: false,
    genReqId: createRequestIds(instanceId),
    return503OnClosing: false,
    forceCloseConnections: true,
  })
  app.setValidatorCompiler(validatorCompiler)
  app.addHook('onRequest', (request, reply, done) => {
    addSecurityHeaders(reply.header('x-request-id', request.id))
    done()
  })
  refuseForeignRequests(app)
  guardRoutes(app, deps)
  auditAdminActions(app, deps.auditLog)
  answerFailures(app, logger)
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, { code: 'not-found' }))
  app.get('/metrics', isPublic, async (_request, reply) =>
    reply.header('content-type', metrics.contentType).send(await metrics.metricsText()),
  )
  app.get('/health/live', isPublic, (_request, reply) => sendLive(reply))
  app.get('/health/ready', isPublic, (_request, reply) => sendReady(reply, health))
  deadLetterRoutes(app, deps)
  configRoutes(app, deps)
  return app
}
