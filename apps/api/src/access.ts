/**
 * Who may use which route. Each says it in its `config.access`, from the table or where it is registered; one that does not
 * say it cannot be registered. What is somebody's own is a matter of ownership.ts.
 *
 *  A1  Nothing runs for a request, and nothing of its body is read, before its caller is known to have the route's scope.
 *  A2  What a refusal says is the same for everything of a route, whether it exists or not.
 */
import {
  type Authentication,
  type Authenticator,
  allows,
  anybody,
  type Caller,
  type Scope,
} from '@ironsys/access'
import type { Logger } from '@ironsys/telemetry'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ProblemError } from './problem.ts'

/** What belongs to a user. Callers with `operate` see and touch everybody's. */
export type Owner =
  /** The request names the user: somebody else's name is refused. */
  | 'named'
  /** The id of a thing: somebody else's reads as if there were none. */
  | 'thing'
  /** The path names the user: of anybody else it reads as if there were none. */
  | 'path'

export type Access =
  /** Nobody is asked who they are; credentials are not looked at. */
  'public' | { readonly scope: 'reserve'; readonly owner: Owner } | { readonly scope: 'operate' | 'admin' }

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
  }
  interface FastifyRequest {
    /** Null on public routes. */
    caller: Caller | null
  }
}

export interface GuardDeps {
  /** Null: nobody is asked who they are (AUTH_MODE=none), and everybody may everything. */
  readonly authenticator: Authenticator | null
  readonly logger: Logger
}

const RETRY_AFTER_SECONDS = 1

/** Call before any route is added. */
export function guardRoutes(app: FastifyInstance, { authenticator, logger }: GuardDeps): void {
  app.decorateRequest('caller', null)
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.access === undefined) throw new Error(`${method} ${url} does not say who may use it`)
  })
  app.addHook('onRequest', (request, _reply, done) => {
    const { access } = request.routeOptions.config
    if (request.is404 || access === 'public') return done()
    if (access === undefined) return done(new Error('a route does not say who may use it'))
    const decide = (answer: Authentication) => done(refusal(request, access, answer, logger))
    if (authenticator === null) return decide({ kind: 'caller', caller: anybody })
    const credential = bearerOf(request.headers.authorization)
    if (credential === null) return done(unauthenticated(null))
    const answer = authenticator.authenticate(credential)
    if (answer instanceof Promise) void answer.then(decide)
    else decide(answer)
  })
}

/** Undefined when the caller, who is then known, may use the route. */
function refusal(
  request: FastifyRequest,
  access: Exclude<Access, 'public'>,
  answer: Authentication,
  logger: Logger,
): ProblemError | undefined {
  switch (answer.kind) {
    case 'refused':
      return unauthenticated(answer.why)
    case 'unavailable':
      logger.warn({ request_id: request.id, err: answer.cause }, 'a credential could not be checked')
      return new ProblemError({ code: 'auth-unavailable', retryAfterSeconds: RETRY_AFTER_SECONDS })
    case 'caller':
      request.caller = answer.caller
      if (!allows(answer.caller, access.scope)) return withoutScope(access.scope)
      return 'owner' in access && access.owner === 'path' ? ofAnotherUser(request, answer.caller) : undefined
  }
}

function ofAnotherUser({ params }: FastifyRequest, caller: Caller): ProblemError | undefined {
  const isOwn =
    typeof params === 'object' && params !== null && 'user_id' in params && params.user_id === caller.userId
  return isOwn || allows(caller, 'operate') ? undefined : new ProblemError({ code: 'user-not-found' })
}

/** RFC 6750 §2.1; the scheme's case does not matter. Null where there is no such credential. */
function bearerOf(header: string | undefined): string | null {
  return /^bearer +([\w.~+/-]+=*) *$/i.exec(header ?? '')?.[1] ?? null
}

/** `why` is null where there is no credential: then nothing is said of one (RFC 6750 §3.1). */
function unauthenticated(why: string | null): ProblemError {
  const challenge = why === null ? 'Bearer' : `Bearer error="invalid_token", error_description="${why}"`
  return new ProblemError({ code: 'unauthenticated', challenge, ...(why !== null && { detail: `${why}.` }) })
}

function withoutScope(scope: Scope): ProblemError {
  const challenge = `Bearer error="insufficient_scope", scope="${scope}"`
  return new ProblemError({ code: 'forbidden', detail: `It takes the scope ${scope}.`, challenge })
}
