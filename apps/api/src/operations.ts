/** The operations port: metrics, health and what operators do, on loopback unless configured. */
import type { DeadLetters } from '@ironsys/dead-letters'
import { type FastifyInstance, fastify } from 'fastify'
import { deadLetterRoutes } from './admin-dead-letters.ts'
import type { ApiDeps, ApiOptions } from './deps.ts'
import { answerFailures } from './failures.ts'
import { refuseForeignRequests } from './foreign-requests.ts'
import { sendLive, sendReady } from './health.ts'
import { sendProblem } from './problem.ts'
import { createRequestIds } from './request-id.ts'
import { validatorCompiler } from './validation.ts'

export interface OperationsDeps extends Pick<ApiDeps, 'metrics' | 'health' | 'logger'> {
  /** Null until the servers were reached: this port listens before that. */
  readonly deadLetters: () => DeadLetters | null
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
    reply.header('x-request-id', request.id)
    done()
  })
  refuseForeignRequests(app)
  answerFailures(app, logger)
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, { code: 'not-found' }))
  app.get('/metrics', async (_request, reply) =>
    reply.header('content-type', metrics.contentType).send(await metrics.metricsText()),
  )
  app.get('/health/live', (_request, reply) => sendLive(reply))
  app.get('/health/ready', (_request, reply) => sendReady(reply, health))
  deadLetterRoutes(app, deps)
  return app
}
