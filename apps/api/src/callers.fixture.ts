/** For tests: callers with credentials as clients have them, checked by the real authenticator. */
import {
  type ApiKeyRecord,
  type Authenticator,
  apiKeyText,
  createApiKeyCheck,
  createAuthenticator,
  createTokenCheck,
  hashSecret,
  mintApiKey,
  type Scope,
  sharedSigningKey,
  signDevelopmentToken,
} from '@ironsys/access'

const sharedKey = 'a key that this test and nobody else has'
const issuer = 'https://id.example'
const audience = 'ironsys'

export interface Callers {
  readonly authenticator: Authenticator
  /** Headers of a request. */
  user(userId: string, scopes?: readonly Scope[]): Promise<{ readonly authorization: string }>
  key(
    scopes: readonly Scope[],
    userId?: string,
  ): { readonly id: string; readonly headers: { readonly authorization: string } }
  /** What the store of keys throws. */
  outage: Error | null
}

export function createCallers(): Callers {
  const records = new Map<string, ApiKeyRecord>()
  const nowMs = () => Date.now()
  const find = async (ids: readonly string[]) => {
    if (callers.outage !== null) throw callers.outage
    return ids.flatMap((id) => records.get(id) ?? [])
  }
  const callers: Callers = {
    outage: null,
    authenticator: createAuthenticator({
      token: createTokenCheck({ keys: sharedSigningKey(sharedKey), nowMs }, { issuer, audience }),
      apiKey: createApiKeyCheck({ find, nowMs }),
    }),
    async user(userId, scopes = ['reserve']) {
      const asked = { sharedKey, issuer, audience, userId, scopes, ttlSeconds: 600, nowMs: nowMs() }
      return { authorization: `Bearer ${await signDevelopmentToken(asked)}` }
    },
    key(scopes, userId) {
      const key = mintApiKey()
      const secretSha256 = hashSecret(key.secret)
      const limits = { expiresAtMs: null, isRevoked: false }
      records.set(key.id, { id: key.id, secretSha256, scopes, userId: userId ?? null, ...limits })
      return { id: key.id, headers: { authorization: `Bearer ${apiKeyText(key)}` } }
    },
  }
  return callers
}
