/** Who asks, as far as a credential tells, and what that allows. */

/** Each includes those before it: `operate` may what `reserve` may, `admin` may everything. */
export const scopes = ['reserve', 'operate', 'admin'] as const
export type Scope = (typeof scopes)[number]

export interface Caller {
  /** Null for a machine that acts for nobody in particular, and where nobody is asked who they are. */
  readonly userId: string | null
  /** With those that are included. */
  readonly scopes: readonly Scope[]
  readonly via: 'none' | 'jwt' | 'api-key'
  /** Of an API key. */
  readonly keyId?: string
}

/** Everybody, while nobody is asked who they are. */
export const anybody: Caller = { userId: null, scopes, via: 'none' }

/** What the names grant, with what is included in it; a name that is none of ours grants nothing. */
export function grantedScopes(names: readonly string[]): readonly Scope[] {
  const highest = scopes.findLastIndex((scope) => names.includes(scope))
  return scopes.slice(0, highest + 1)
}

export function allows({ scopes: granted }: Caller, scope: Scope): boolean {
  return granted.includes(scope)
}
