/** Whose things a request may see and touch: without the scope `operate` its caller's own. */
import { allows, type Caller } from '@ironsys/access'
import type { FastifyRequest } from 'fastify'
import { ProblemError } from './problem.ts'

type Asking = Pick<FastifyRequest, 'caller'>

/**
 * The one user whose things there are for this request; undefined: everybody's. `named` is the user that the request names;
 * with `operate` one may ask in anybody's name. Throws 403 for somebody else's name, and where there is nobody.
 */
export function ownerOf({ caller }: Asking, named?: string): string | undefined {
  if (caller !== null && allows(caller, 'operate')) return named
  const own = caller?.userId ?? null
  if (own !== null && (named === undefined || named === own)) return own
  const detail = 'Without the scope operate user_id must be your own.'
  throw new ProblemError({ code: 'forbidden', detail })
}

/** Null where it is not the owner's. `owner`: of {@link ownerOf}. */
export function ownOnly<S extends { readonly document: { readonly user_id: string } }>(
  stored: S | null,
  owner: string | undefined,
): S | null {
  return stored !== null && owner !== undefined && stored.document.user_id !== owner ? null : stored
}

/**
 * Under which name a caller's ids and cursors are made; null where nobody is asked who they are. A key that acts for nobody
 * has a name that no user can have: of a user's id all characters are printable.
 */
export function nameOf(caller: Caller | null): string | null {
  if (caller === null || caller.via === 'none') return null
  return caller.userId ?? `\u0000key ${caller.keyId ?? ''}`
}

/** Who it was, for operators. */
export function actorOf({ caller, ip }: Pick<FastifyRequest, 'caller' | 'ip'>): string {
  if (caller === null || caller.via === 'none') return `somebody at ${ip}`
  const key = caller.keyId === undefined ? '' : `API key ${caller.keyId}`
  if (caller.userId === null) return key
  return key === '' ? caller.userId : `${caller.userId} with ${key}`
}

/** Whose waits and streams are counted together: the caller's, or an address's where nobody is asked who they are. */
export function accountOf({ caller, ip }: Pick<FastifyRequest, 'caller' | 'ip'>): string {
  return nameOf(caller) ?? `\u0000address ${ip}`
}
