/**
 * Whom a JWT stands for: `sub` is the user, `scope` (words) or `scp` (a list) what it may do.
 *
 *  T1  Only a token with a good signature of an allowed algorithm, of this issuer, for this audience, within its time
 *      (`exp` is required, clocks may differ by {@link tokenLimits.clockToleranceMs}) and with a user's id is anybody's.
 *  T2  What was verified is remembered, by the token's SHA-256, until it expires and for at most
 *      {@link tokenLimits.rememberedMs}: a request does not pay for a signature each time, and a key that was withdrawn does not
 *      live on for long.
 */
import { hash } from 'node:crypto'
import { userIdSchema } from '@ironsys/contracts'
import { errors, type JWTPayload, jwtVerify } from 'jose'
import { z } from 'zod'
import { type Authentication, refused } from './authenticator.ts'
import { type Caller, grantedScopes } from './caller.ts'
import { createRecent } from './recent.ts'
import { KeysUnavailableError, type SigningKeys } from './signing-keys.ts'

export const tokenLimits = {
  clockToleranceMs: 30_000,
  rememberedMs: 300_000,
  /** Tokens. */
  remembered: 10_000,
} as const

export type CheckToken = (token: string) => Authentication | Promise<Authentication>

export interface TokenCheckDeps {
  readonly keys: SigningKeys
  /** Unix milliseconds. */
  readonly nowMs: () => number
}

export interface TokenCheckOptions {
  readonly issuer: string
  readonly audience: string
}

export function createTokenCheck(
  { keys, nowMs }: TokenCheckDeps,
  { issuer, audience }: TokenCheckOptions,
): CheckToken {
  const verified = createRecent<{ readonly caller: Caller; readonly untilMs: number }>(tokenLimits.remembered)

  async function verify(token: string, key: string): Promise<Authentication> {
    const atMs = nowMs()
    try {
      const { payload } = await jwtVerify(token, keys.find, {
        algorithms: [...keys.algorithms],
        issuer,
        audience,
        clockTolerance: tokenLimits.clockToleranceMs / 1000,
        requiredClaims: ['exp', 'sub'],
        currentDate: new Date(atMs),
      })
      const read = readClaims(payload)
      if (read === null) return refused('The claims of the token are not valid')
      const expiresMs = read.exp * 1000 + tokenLimits.clockToleranceMs
      verified.set(key, {
        caller: read.caller,
        untilMs: Math.min(expiresMs, atMs + tokenLimits.rememberedMs),
      })
      return { kind: 'caller', caller: read.caller }
    } catch (error) {
      return failureOf(error)
    }
  }

  return (token) => {
    const key = hash('sha256', token, 'base64url')
    const known = verified.get(key)
    if (known !== undefined && nowMs() < known.untilMs) return { kind: 'caller', caller: known.caller }
    return verify(token, key)
  }
}

const claimsSchema = z.object({
  sub: userIdSchema,
  exp: z.number(),
  scope: z.string().optional(),
  scp: z.union([z.array(z.string()), z.string()]).optional(),
})

function readClaims(payload: JWTPayload): { readonly caller: Caller; readonly exp: number } | null {
  const { data } = claimsSchema.safeParse(payload)
  if (data === undefined) return null
  const words = [data.scope ?? [], data.scp ?? []].flat().flatMap((text) => text.split(' '))
  return { caller: { userId: data.sub, scopes: grantedScopes(words), via: 'jwt' }, exp: data.exp }
}

/** Faults of the token; any other is one of the keys or of their endpoint. */
const tokenFaults = [
  errors.JWTInvalid,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JWTClaimValidationFailed,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  // It names no key, and several would do.
  errors.JWKSMultipleMatchingKeys,
] as const

function failureOf(error: unknown): Authentication {
  if (error instanceof KeysUnavailableError) return { kind: 'unavailable', cause: error }
  if (error instanceof errors.JWTExpired) return refused('The token has expired')
  if (tokenFaults.some((fault) => error instanceof fault)) return refused('The token is not valid')
  return { kind: 'unavailable', cause: error }
}
