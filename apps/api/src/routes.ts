/** Every route, declared once: Fastify registers from this table, and OpenAPI is built from it. */
import { healthSchema } from '@ironsys/contracts'
import { z } from 'zod'
import { bookingRouteSpecs } from './booking-route-specs.ts'
import type { ProblemCode } from './errors.ts'
import { endpointLimitOf } from './limits.ts'
import { reservationRouteSpecs } from './reservation-route-specs.ts'
import type { RouteSpec } from './route-spec.ts'
import { slotRouteSpecs } from './slot-route-specs.ts'
import { streamRouteSpecs } from './stream-route-specs.ts'

const liveSchema = z.object({ status: z.literal('up').describe('Nothing else is ever said.') })

const operationRouteSpecs = {
  healthLive: {
    method: 'GET',
    url: '/health/live',
    operationId: 'healthLive',
    tag: 'operations',
    summary: 'Whether the process runs',
    access: 'public',
    headers: [],
    answers: { 200: { description: 'It does.', schema: liveSchema } },
    problems: [],
  },
  healthReady: {
    method: 'GET',
    url: '/health/ready',
    operationId: 'healthReady',
    tag: 'operations',
    summary: 'Whether it can answer reads or writes',
    access: 'public',
    headers: [],
    answers: {
      200: { description: 'It can; `degraded` where a dependency is missing.', schema: healthSchema },
      503: { description: 'It cannot, or it is shutting down.', schema: healthSchema },
    },
    problems: [],
  },
  health: {
    method: 'GET',
    url: '/api/v1/health',
    operationId: 'health',
    tag: 'operations',
    summary: 'The same, always answered with 200',
    access: 'public',
    headers: [],
    answers: { 200: { description: 'A summary.', schema: healthSchema } },
    problems: [],
  },
} as const satisfies Record<string, RouteSpec>

export const routes = {
  ...slotRouteSpecs,
  ...streamRouteSpecs,
  ...reservationRouteSpecs,
  ...bookingRouteSpecs,
  ...operationRouteSpecs,
} as const

export const routeList: readonly RouteSpec[] = Object.values(routes)

/** Every problem a route may answer, in the order of the table. */
export function problemsOf(route: RouteSpec): readonly ProblemCode[] {
  // Of a GET no body is read; of others one is, whether it is wanted or not.
  const body = ['malformed-json', 'body-too-large', 'unsupported-media-type'] as const
  const checked = route.params ?? route.query ?? route.body ?? (route.headers.length > 0 || undefined)
  return [
    'bad-request',
    'request-timeout',
    'expectation-failed',
    'headers-too-large',
    ...accessProblems(route.access),
    ...(endpointLimitOf(route) === null ? [] : (['rate-limited'] as const)),
    ...(route.method === 'GET' ? [] : body),
    ...(checked === undefined ? [] : (['invalid-request'] as const)),
    ...route.problems,
    'internal',
  ]
}

function accessProblems(access: RouteSpec['access']): readonly ProblemCode[] {
  if (access === 'public') return []
  const ofAll = ['unauthenticated', 'forbidden', 'auth-unavailable'] as const
  return 'owner' in access && access.owner === 'path' ? [...ofAll, 'user-not-found'] : ofAll
}
