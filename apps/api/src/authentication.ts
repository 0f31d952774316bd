/** The authenticator of this process, as its environment says. */
import {
  type Authenticator,
  createApiKeyCheck,
  createAuthenticator,
  createTokenCheck,
  findApiKeysWith,
  publishedSigningKeys,
  sharedSigningKey,
} from '@ironsys/access'
import type { Closers } from '@ironsys/lifecycle'
import { createPool, queryAll } from '@ironsys/postgres'
import type { Logger } from '@ironsys/telemetry'
import type { Config } from './config.ts'

export interface AuthenticationDeps {
  readonly logger: Logger
  readonly closers: Closers
  readonly clientId: string
}

/** Null with AUTH_MODE=none. Connects to nothing before the first credential comes. */
export function openAuthenticator(
  config: Config,
  { logger, closers, clientId }: AuthenticationDeps,
): Authenticator | null {
  const { AUTH_MODE, JWKS_URL, JWT_SHARED_KEY, JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = config
  if (AUTH_MODE === 'none') return null
  const nowMs = () => Date.now()
  const report = (err: Error | null) => {
    if (err === null) logger.info('the key set can be fetched again')
    else logger.warn({ err }, 'the key set cannot be fetched: known keys go on')
  }
  const keys =
    JWT_SHARED_KEY === ''
      ? publishedSigningKeys({ fetch, nowMs, report }, JWKS_URL)
      : sharedSigningKey(JWT_SHARED_KEY)
  // Its own connection, of which one look-up at a time needs one: who somebody is does not wait for what others read.
  const pool = createPool(config.DATABASE_URL, {
    applicationName: `${clientId}-auth`,
    maxConnections: 1,
    readOnly: true,
  })
  closers.add(() => pool.end())
  const find = findApiKeysWith(async (statement) => (await queryAll(pool, [statement]))[0] ?? [])
  return createAuthenticator({
    token: createTokenCheck({ keys, nowMs }, { issuer, audience }),
    apiKey: createApiKeyCheck({ find, nowMs }),
  })
}
