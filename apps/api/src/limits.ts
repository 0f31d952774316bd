/**
 * Rate limits at the edge: by the client's address and by endpoint before anything else is done for a request, by caller as
 * soon as it is known, and by the other items of a batch when they can be counted. What is not in the table of routes
 * (documentation) and what only tells of health has no limit; what does not exist counts for its address.
 *
 * Writes tell how much is left, and so does every refusal. Reads do not: the headers would be a tenth of their answer.
 */
import type { IncomingMessage } from 'node:http'
import type { LimitKey, Standing } from '@ironsys/rate-limiter'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ApiDeps } from './deps.ts'
import { callerOf } from './identity.ts'
import type { EndpointLimit, LimitName } from './limit-config.ts'
import { ProblemError } from './problem.ts'
import type { RouteSpec } from './route-spec.ts'

type Key = LimitKey<LimitName>
type LimitDeps = Pick<ApiDeps, 'limiter' | 'addressOf' | 'metrics'>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The endpoint's bucket; null: the route has no limit at all. */
    endpoint?: Key | null
  }
}

/** Of a route of the table: its `config.endpoint`. */
export function endpointOf(route: RouteSpec): Key | null {
  const limit = endpointLimitOf(route)
  return limit === null ? null : { limit, id: route.operationId }
}

export function endpointLimitOf({ tag, method, finishes }: RouteSpec): EndpointLimit | null {
  if (tag === 'operations') return null
  if (method === 'GET') return 'reading'
  return finishes === true ? 'finishing' : 'writing'
}

/** Whether answers of the route say how much is left. */
export function tellsLimits(route: RouteSpec): boolean {
  const limit = endpointLimitOf(route)
  return limit === 'writing' || limit === 'finishing'
}

/** Call after the hooks that every answer needs, and before that which asks who the caller is. */
export function limitRequests(app: FastifyInstance, deps: LimitDeps): void {
  const refused = createRefusal(deps)
  app.addHook('onRequest', (request, reply, done) => {
    const keys = keysOf(deps, request)
    if (keys.length === 0) return done()
    take(deps, keys, 1, (passes) => done(passes ? undefined : refused(reply, keys, 1)))
  })
  // The caller is known, and the body not yet read.
  app.addHook('preParsing', (request, reply, _payload, done) => {
    const { endpoint } = request.routeOptions.config
    if (endpoint === undefined || endpoint === null) return done()
    const user = userOf(request)
    const tell = () => {
      if (endpoint.limit !== 'reading') tellLeft(deps, reply, [...keysOf(deps, request), ...user])
      done()
    }
    if (user.length === 0) return tell()
    take(deps, user, 1, (passes) => (passes ? tell() : done(refused(reply, user, 1))))
  })
}

/** For the other items of a batch, whose first one has passed. Throws a 429 when there are not enough tokens for all. */
export async function limitItems(
  deps: LimitDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  items: number,
): Promise<void> {
  if (items < 2) return
  const keys = [...keysOf(deps, request), ...userOf(request)]
  // To be told to come back for all: the next attempt pays for its first one again.
  if (!(await deps.limiter.take(keys, items - 1))) throw createRefusal(deps)(reply, keys, items)
  tellLeft(deps, reply, keys)
}

/** For what is answered before there is a route: whether the request has passed. If not, nothing was taken. */
export function createFastLimit(
  { limiter, addressOf }: LimitDeps,
  route: RouteSpec,
): (request: IncomingMessage) => boolean {
  const endpoint = endpointOf(route)
  if (endpoint === null) return () => true
  return (request) => limiter.tryTake([{ limit: 'ip', id: addressOf(request) }, endpoint], 1) === 'yes'
}

function keysOf({ addressOf }: LimitDeps, request: FastifyRequest): readonly Key[] {
  const { endpoint } = request.routeOptions.config
  const ip = (): Key => ({ limit: 'ip', id: addressOf(request.raw) })
  if (request.is404) return [ip()]
  return endpoint === undefined || endpoint === null ? [] : [ip(), endpoint]
}

function userOf(request: FastifyRequest): readonly Key[] {
  const caller = callerOf(request)
  return caller === null ? [] : [{ limit: 'user', id: caller }]
}

/** Answers at once where it can. */
function take({ limiter }: LimitDeps, keys: readonly Key[], cost: number, done: (passes: boolean) => void) {
  const answer = limiter.tryTake(keys, cost)
  if (answer === 'ask') void limiter.take(keys, cost).then(done)
  else done(answer === 'yes')
}

const told = {
  ip: { policy: 'ip', whose: 'this address' },
  user: { policy: 'user', whose: 'this caller' },
  reading: { policy: 'endpoint', whose: 'all callers of this endpoint' },
  writing: { policy: 'endpoint', whose: 'all callers of this endpoint' },
  finishing: { policy: 'endpoint', whose: 'all callers of this endpoint' },
} as const satisfies Record<LimitName, object>

function createRefusal({ limiter, metrics }: LimitDeps) {
  return (reply: FastifyReply, keys: readonly Key[], cost: number): ProblemError => {
    const standings = limiter.standings(keys, cost)
    const [first, ...others] = standings
    // A limit that was switched off since.
    if (first === undefined) return new ProblemError({ code: 'rate-limited', retryAfterSeconds: 1 })
    const worst = others.reduce((most, each) => (each.waitMs > most.waitMs ? each : most), first)
    setHeaders(
      reply,
      standings.filter((each) => each === worst || isPersonal(each)),
    )
    const { policy, whose } = told[worst.limit]
    metrics.rateLimited.with({ limit: policy }).inc()
    const rate = worst.bucket.ratePerSecond
    const detail = `More than ${whose} may ask for: ${rate} a second, ${Math.floor(worst.bucket.burst)} at once.`
    return new ProblemError({ code: 'rate-limited', detail, retryAfterSeconds: secondsUntil(worst) })
  }
}

function tellLeft({ limiter }: LimitDeps, reply: FastifyReply, keys: readonly Key[]): void {
  setHeaders(reply, limiter.standings(keys, 1).filter(isPersonal))
}

/** What an endpoint has left is everybody's: it is only told where it refuses. */
function isPersonal({ limit }: Standing<LimitName>): boolean {
  return limit === 'ip' || limit === 'user'
}

/** draft-ietf-httpapi-ratelimit-headers-10: a quota, and the time in which all of it comes back. */
function setHeaders(reply: FastifyReply, standings: readonly Standing<LimitName>[]): void {
  if (standings.length === 0) return
  const policies = standings.map(({ limit, bucket: { ratePerSecond, burst } }) => {
    const seconds = Math.max(1, Math.ceil(burst / ratePerSecond))
    return `"${told[limit].policy}";q=${Math.floor(burst)};w=${seconds}`
  })
  const left = standings.map(
    (each) => `"${told[each.limit].policy}";r=${each.remaining};t=${secondsUntil(each)}`,
  )
  reply.header('ratelimit-policy', policies.join(', ')).header('ratelimit', left.join(', '))
}

/** Until the request, or one more token, can be had. */
function secondsUntil({ waitMs, bucket }: Standing<LimitName>): number {
  return Math.max(1, Math.ceil((waitMs > 0 ? waitMs / 1000 : 1 / bucket.ratePerSecond) - 1e-9))
}
