/** The operations port: metrics and health, on loopback unless configured. */
import { type FastifyInstance, fastify } from 'fastify'
import type { ApiDeps } from './deps.ts'
import { sendLive, sendReady } from './health.ts'

export function buildOperations({ metrics, health }: Pick<ApiDeps, 'metrics' | 'health'>): FastifyInstance {
  const app = fastify({ logger: false, return503OnClosing: false, forceCloseConnections: true })
  app.get('/metrics', async (_request, reply) =>
    reply.header('content-type', metrics.contentType).send(await metrics.metricsText()),
  )
  app.get('/health/live', (_request, reply) => sendLive(reply))
  app.get('/health/ready', (_request, reply) => sendReady(reply, health))
  return app
}
