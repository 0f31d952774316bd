/** Whom a bearer credential stands for: an API key by its form, else a JWT. */
import { isApiKeyLike, parseApiKey } from './api-key.ts'
import type { CheckApiKey } from './api-key-check.ts'
import type { Caller } from './caller.ts'
import type { CheckToken } from './token-check.ts'

export type Authentication =
  | { readonly kind: 'caller'; readonly caller: Caller }
  /** `why` is for its sender, and says nothing that would help to forge one. */
  | { readonly kind: 'refused'; readonly why: string }
  /** What it would be checked against cannot be reached: neither yes nor no. */
  | { readonly kind: 'unavailable'; readonly cause: unknown }

export interface Authenticator {
  /** At once where the answer is remembered. Never rejects. */
  authenticate(credential: string): Authentication | Promise<Authentication>
}

/** Of a credential, characters: a token with many claims fits. */
const CREDENTIAL_LENGTH_MAX = 8192

export function createAuthenticator(checks: {
  readonly token: CheckToken
  readonly apiKey: CheckApiKey
}): Authenticator {
  return {
    authenticate(credential) {
      if (credential.length > CREDENTIAL_LENGTH_MAX) return refused('The token is too long')
      if (!isApiKeyLike(credential)) return checks.token(credential)
      const key = parseApiKey(credential)
      return key === null ? refused('The API key is not valid') : checks.apiKey(key)
    },
  }
}

export function refused(why: string): Authentication {
  return { kind: 'refused', why }
}
