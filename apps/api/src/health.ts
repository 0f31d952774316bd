/** Health, as orchestrators and people ask for it. Reads stay ready while Kafka is down, and writes without Postgres. */
import type { HealthDocument } from '@ironsys/contracts'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { DependencyState, HealthView } from './deps.ts'
import { type RouteContext, routeOptions } from './route.ts'
import { routes } from './routes.ts'

export function healthRoutes(app: FastifyInstance, context: RouteContext): void {
  const { health } = context.deps
  app.route({ ...routeOptions(context, routes.healthLive), handler: (_request, reply) => sendLive(reply) })
  app.route({
    ...routeOptions(context, routes.healthReady),
    handler: (_request, reply) => sendReady(reply, health),
  })
  app.route({
    ...routeOptions(context, routes.health),
    handler: (_request, reply) => send(reply, 200, healthDocument(health)),
  })
}

export function sendLive(reply: FastifyReply): FastifyReply {
  return send(reply, 200, { status: 'up' })
}

export function sendReady(reply: FastifyReply, health: HealthView): FastifyReply {
  const document = healthDocument(health)
  return send(reply, document.status === 'down' ? 503 : 200, document)
}

/** Snapshots are read from Redis while Postgres is down; what only the store knows is not. */
export function healthDocument(health: HealthView): HealthDocument {
  const dependencies = health.dependencies()
  const { postgres, redis, kafka } = dependencies
  const reads: DependencyState = postgres === 'up' ? 'up' : redis === 'down' ? 'down' : 'degraded'
  const writes: DependencyState = kafka
  const useless = reads === 'down' && writes === 'down'
  const whole = postgres === 'up' && redis === 'up' && kafka === 'up'
  const status = health.draining() || useless ? 'down' : whole ? 'up' : 'degraded'
  return { status, reads, writes, dependencies }
}

function send(reply: FastifyReply, status: number, body: unknown): FastifyReply {
  return reply
    .code(status)
    .header('content-type', 'application/json; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(JSON.stringify(body))
}
