/** Tokens for development, as an identity provider would sign them, with the shared key. */
import { SignJWT } from 'jose'
import type { Scope } from './caller.ts'
import type { TokenCheckOptions } from './token-check.ts'

export interface DevelopmentToken extends TokenCheckOptions {
  readonly sharedKey: string
  readonly userId: string
  readonly scopes: readonly Scope[]
  readonly ttlSeconds: number
  /** Unix milliseconds. */
  readonly nowMs: number
}

export function signDevelopmentToken({
  sharedKey,
  issuer,
  audience,
  userId,
  scopes,
  ttlSeconds,
  nowMs,
}: DevelopmentToken): Promise<string> {
  const issuedAt = Math.floor(nowMs / 1000)
  return new SignJWT({ scope: scopes.join(' ') })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(userId)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + ttlSeconds)
    .sign(new TextEncoder().encode(sharedKey))
}
