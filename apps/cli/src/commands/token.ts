/** `./ironsys token`: a token for development, signed with the key that the API was given. */
import { scopes, signDevelopmentToken } from '@ironsys/access'
import { LocalFault } from '@ironsys/local'
import { readOptions } from '../arguments.ts'
import { type Command, UsageFault } from '../command.ts'
import { durationSeconds } from '../durations.ts'
import { scopesOf, userOf } from './api-key.ts'

const TTL_SECONDS_MAX = 30 * 86_400

export const tokenCommand: Command = {
  name: 'token',
  summary: 'sign a token for a user, for development',
  usage: '--user <id> [--scopes <list>] [--ttl <time>]',
  details: `  --user    its sub: whose things are its own
  --scopes  of ${scopes.join(', ')}, with commas; reserve when it is not given
  --ttl     for how long it is good: 90s, 15m, 12h, at most ${TTL_SECONDS_MAX / 86_400}d; 1h when it is not given

Signs with JWT_SHARED_KEY for JWT_ISSUER and JWT_AUDIENCE of the environment: the same that the API runs with, and
AUTH_MODE=jwt. Where an identity provider signs (JWKS_URL), tokens come from there. For example:
curl -H "Authorization: Bearer $(./ironsys token --user ann)" http://127.0.0.1:8000/users/ann/reservations`,
  run: async (args, { config, say }) => {
    const options = readOptions(args, {
      user: { type: 'string' },
      scopes: { type: 'string', default: 'reserve' },
      ttl: { type: 'string', default: '1h' },
    })
    if (options.user === undefined) throw new UsageFault('--user is missing: whose token it is')
    const userId = userOf(options.user)
    const granted = scopesOf(options.scopes)
    const ttlSeconds = durationSeconds('--ttl', options.ttl, TTL_SECONDS_MAX)
    const { sharedKey, issuer, audience } = config.tokens
    const missing = Object.entries({ JWT_SHARED_KEY: sharedKey, JWT_ISSUER: issuer, JWT_AUDIENCE: audience })
      .filter(([, value]) => value === null)
      .map(([name]) => name)
    if (sharedKey === null || issuer === null || audience === null) {
      throw new LocalFault(`${missing.join(', ')} of the environment must be what the API runs with`)
    }
    const asked = { sharedKey, issuer, audience, userId, scopes: granted, ttlSeconds, nowMs: Date.now() }
    say(await signDevelopmentToken(asked))
    return 0
  },
}
