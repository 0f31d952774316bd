/** What tokens are signed with: a key that is shared, or the public keys that an identity provider publishes. */
import { createRemoteJWKSet, customFetch, type FetchImplementation, type JWTVerifyGetKey } from 'jose'

/** The key of a token; throws a {@link KeysUnavailableError} when it cannot be had now. */
export interface SigningKeys {
  /** A token that names another is refused before any key is looked at (RFC 8725 §3.1). */
  readonly algorithms: readonly string[]
  readonly find: JWTVerifyGetKey
}

export class KeysUnavailableError extends Error {
  override readonly name = 'KeysUnavailableError'
}

/** Of a shared key, bytes: that of the hash (RFC 7518 §3.2). */
export const sharedKeyBytesMin = 32

/** `key`: at least {@link sharedKeyBytesMin} bytes in UTF-8. */
export function sharedSigningKey(key: string): SigningKeys {
  const bytes = new TextEncoder().encode(key)
  return { algorithms: ['HS256'], find: async () => bytes }
}

export const keySetLimits = {
  fetchTimeoutMs: 2000,
  /** Of the set. */
  bytes: 256 * 1024,
  /** A key that is not in the set has it fetched again, at most so often. */
  cooldownMs: 30_000,
  /** After a fetch that failed none is tried for so long. */
  failurePauseMs: 5000,
  /** A set that is older is fetched anew, beside what it is asked for: keys that were withdrawn are then gone. */
  refreshMs: 600_000,
  /** For so long the keys that are known go on while the set cannot be fetched. */
  lastKnownMs: 24 * 3_600_000,
} as const

export interface KeySetDeps {
  readonly fetch: typeof globalThis.fetch
  readonly nowMs: () => number
  /** Told when the set could not be fetched, and with null when it could be again. */
  readonly report: (fault: Error | null) => void
}

/** The JSON Web Key Set at `url`; fetched when the first token comes. Asymmetric algorithms only. */
export function publishedSigningKeys(deps: KeySetDeps, url: string): SigningKeys {
  const { nowMs } = deps
  const fetches = boundedFetches(deps)
  const keySet = createRemoteJWKSet(new URL(url), {
    timeoutDuration: keySetLimits.fetchTimeoutMs,
    cooldownDuration: keySetLimits.cooldownMs,
    // Its age is looked after here: by itself jose would refuse known keys as soon as the endpoint is down.
    cacheMaxAge: Number.POSITIVE_INFINITY,
    [customFetch]: fetches.fetch,
  })
  return {
    algorithms: [
      ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
      ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
    ],
    find: async (header, token) => {
      const ageMs = nowMs() - (fetches.succeededAtMs() ?? Number.POSITIVE_INFINITY)
      if (ageMs > keySetLimits.lastKnownMs) await keySet.reload()
      const key = await keySet(header, token)
      // It reports its faults itself.
      if (ageMs > keySetLimits.refreshMs) keySet.reload().catch(() => undefined)
      return key
    },
  }
}

/** Fetches that end in time, are small, and are not tried again at once when they fail. */
function boundedFetches({ fetch, nowMs, report }: KeySetDeps) {
  let retryAtMs = 0
  let succeededAtMs: number | null = null
  let isFailing = false
  const attempt: FetchImplementation = async (url, options) => {
    const response = await fetch(url, options)
    if (response.status !== 200) throw new Error(`the key set answers ${response.status}`)
    const text = await boundedText(response)
    JSON.parse(text)
    return new Response(text)
  }
  return {
    succeededAtMs: () => succeededAtMs,
    fetch: (async (url, options) => {
      if (nowMs() < retryAtMs) throw new KeysUnavailableError('the key set could not be fetched just now')
      try {
        const response = await attempt(url, options)
        succeededAtMs = nowMs()
        if (isFailing) report(null)
        isFailing = false
        return response
      } catch (cause) {
        retryAtMs = nowMs() + keySetLimits.failurePauseMs
        const fault = new KeysUnavailableError('the key set could not be fetched', { cause })
        if (!isFailing) report(fault)
        isFailing = true
        throw fault
      }
    }) satisfies FetchImplementation,
  }
}

async function boundedText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    if (bytes > keySetLimits.bytes) throw new Error(`the key set is larger than ${keySetLimits.bytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
