/** The public HTTP server, apart from what it stands on: buildApp(deps, options) listens to nothing. */
import { isUtf8 } from 'node:buffer'
import { setMaxListeners } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify'
import { guardRoutes } from './access.ts'
import { auditAdminActions } from './admin-audit.ts'
import { bookingRoutes } from './bookings.ts'
import { clientErrorAnswer } from './client-errors.ts'
import { allowOrigins } from './cors.ts'
import type { ApiDeps, ApiOptions } from './deps.ts'
import { docsRoutes } from './docs.ts'
import { answerFailures, malformed, problemOfError } from './failures.ts'
import { createFastPath } from './fast-path.ts'
import { healthRoutes } from './health.ts'
import { refuseMalformed, takeUnexpected } from './http-rules.ts'
import { limitRequests } from './limits.ts'
import { listingRoutes } from './listings.ts'
import { createMethods, refuseUnmatched } from './methods.ts'
import { ProblemError, pathOf, sendProblem } from './problem.ts'
import { createRequestIds } from './request-id.ts'
import { reservationRoutes } from './reservations.ts'
import { createObserve, UNROUTED } from './route.ts'
import { addSecurityHeaders } from './security-headers.ts'
import { createShedPath } from './shed-path.ts'
import { shedLoad } from './shedding.ts'
import { slotStreamRoutes } from './slot-streams.ts'
import { slotRoutes } from './slots.ts'
import { createFindStatus } from './status.ts'
import { isWebSocketRequest } from './upgrades.ts'
import { validatorCompiler } from './validation.ts'

export const serverLimits = {
  /** Metadata of 4 KiB, however it is escaped, fits. A batch has its own limit. */
  bodyBytes: 64 * 1024,
  /** Of the request line and all headers. */
  headBytes: 16 * 1024,
  pathPartCharacters: 500,
  headersTimeoutMs: 10_000,
  /** The whole request must have arrived by then. */
  requestTimeoutMs: 15_000,
  /** How often connections are looked at for both: a slow one ends at most so much later. */
  timeoutCheckMs: 2000,
  /** Above the 60 s after which common load balancers drop an idle connection: they, not we, close it. */
  keepAliveTimeoutMs: 72_000,
} as const

export function buildApp(deps: ApiDeps, options: ApiOptions): FastifyInstance {
  // Every client that waits listens to it.
  setMaxListeners(0, deps.closing)
  const context = { deps, options }
  const requestIds = createRequestIds(options.instanceId)
  const answersFast = createFastPath(context, requestIds)
  const notShed = new WeakSet<IncomingMessage>()
  const shedsFast = createShedPath(context, requestIds, notShed)
  const app = fastify({
    logger: false,
    serverFactory: (route) =>
      createBareServer((request, response) => {
        if (!answersFast(request, response) && !shedsFast(request, response)) route(request, response)
      }, route),
    bodyLimit: serverLimits.bodyBytes,
    routerOptions: { maxParamLength: serverLimits.pathPartCharacters },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    genReqId: requestIds,
    // While closing, requests on open connections are still answered, and then told to close.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: clientErrorAnswer,
    frameworkErrors: (error, request, reply) =>
      sendProblem(request, reply, problemOfError(error) ?? { code: 'bad-request' }),
  })
  app.setValidatorCompiler(validatorCompiler)
  acceptOnlyJson(app)
  const methods = createMethods(app)

  const { tracing } = deps
  app.decorateRequest('span', null)
  app.addHook('onRequest', (request, reply, done) => {
    if (tracing !== null) request.span = tracing.start(request.method, request.raw.headers)
    addSecurityHeaders(reply.header('x-request-id', request.id))
    // Its client opens the next one elsewhere.
    if (deps.health.draining()) reply.header('connection', 'close')
    done()
  })
  allowOrigins(app, { origins: options.corsOrigins, methodsOf: methods.of, pathOf })
  shedLoad(app, deps, notShed)
  limitRequests(app, deps)
  refuseMalformed(app)
  guardRoutes(app, deps)
  auditAdminActions(app, deps.auditLog)
  refuseUnmatched(app, methods)
  answerFailures(app, deps.logger)
  const observeUnrouted = createObserve(context, UNROUTED, 'any')
  app.addHook('onResponse', (request, reply, done) => {
    if (request.is404) observeUnrouted(request, reply)
    done()
  })

  const findStatus = createFindStatus(deps)
  slotRoutes(app, context)
  slotStreamRoutes(app, context)
  reservationRoutes(app, context, findStatus)
  listingRoutes(app, context)
  bookingRoutes(app, context, findStatus)
  healthRoutes(app, context)
  docsRoutes(app)
  return app
}

function createBareServer(answer: RequestListener, route: RequestListener): Server {
  const server = createServer(
    {
      maxHeaderSize: serverLimits.headBytes,
      headersTimeout: serverLimits.headersTimeoutMs,
      requireHostHeader: false,
      connectionsCheckingInterval: serverLimits.timeoutCheckMs,
      shouldUpgradeCallback: isWebSocketRequest,
    },
    answer,
  )
  takeUnexpected(server, route)
  server.requestTimeout = serverLimits.requestTimeoutMs
  server.keepAliveTimeout = serverLimits.keepAliveTimeoutMs
  return server
}

/** Where no body is needed, clients that name a content type and send nothing with it are understood. */
function acceptOnlyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const { method, routeOptions } = request
    if (body.length === 0 && (method === 'DELETE' || routeOptions.config.bodyOptional)) done(null, undefined)
    else if (!isPlainJson(request)) done(new ProblemError({ code: 'unsupported-media-type' }))
    // Decoding would put one replacement character for whatever is wrong: two users could become one.
    else if (!isUtf8(body)) done(malformed('is not UTF-8'))
    else void parse(request, body.toString('utf8'), done)
  })
}

/** UTF-8, said or not, and not compressed. */
function isPlainJson({ headers }: FastifyRequest): boolean {
  const charset = /charset=\s*"?([^\s;"]+)/i.exec(headers['content-type'] ?? '')?.[1] ?? 'utf-8'
  const encoding = headers['content-encoding'] ?? 'identity'
  return /^utf-?8$/i.test(charset) && encoding.toLowerCase() === 'identity'
}
