/**
 * Who asks, and which id the answer gets. With an Idempotency-Key the id follows from (caller, endpoint, partition
 * key, key, index): asked twice, it is one effect (I3). Without one it is minted.
 *
 * When the outcome of an unkeyed command is unknown, its client gets a key to repeat it with: `retry.<id>.<mac>`. That
 * key stands for the very id, and only for the same caller, endpoint and partition key; nobody can make one for an
 * id of their choice.
 */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import { deriveId, mintId } from '@ironsys/contracts'
import type { FastifyRequest } from 'fastify'
import { canonicalHash } from './canonical.ts'
import { nameOf } from './ownership.ts'
import { invalid } from './problem.ts'

export interface IdentityScope {
  /** Empty where nothing tells it. */
  readonly caller: string
  /** Method and path pattern. */
  readonly endpoint: string
  readonly partitionKey: string
}

export interface CommandId {
  readonly id: string
  /** True when the id follows from a key that the client chose: the command then carries its body's hash. */
  readonly keyed: boolean
}

export interface Identity {
  /** `index` is the place in a batch, 0 elsewhere. */
  commandId(scope: IdentityScope, key: string | null, index: number, nowMs: number): CommandId
  /** A key that makes {@link commandId} give this id again. */
  retryKey(scope: IdentityScope, id: string): string
  /** What the record of a keyed request is called: it tells nothing of what it is made from. */
  recordName(scope: IdentityScope, key: string, index: number): string
}

/** `idKey`: 32 bytes, permanent for a deployment. */
export function createIdentity(idKey: Buffer): Identity {
  const secret = createSecretKey(idKey)
  const macOf = ({ caller, endpoint, partitionKey }: IdentityScope, id: string): string =>
    createHmac('sha256', secret)
      .update(JSON.stringify(['retry', caller, endpoint, partitionKey, id]))
      .digest('base64url')
      .slice(0, 22)
  const retryKey = (scope: IdentityScope, id: string): string => `retry.${id}.${macOf(scope, id)}`
  return {
    retryKey,
    recordName({ caller, endpoint, partitionKey }, key, index) {
      const parts = ['record', caller, endpoint, partitionKey, key, index]
      return createHmac('sha256', secret).update(JSON.stringify(parts)).digest('base64url')
    },
    commandId(scope, key, index, nowMs) {
      const { caller, endpoint, partitionKey } = scope
      if (key === null) return { id: mintId(partitionKey, nowMs), keyed: false }
      const retried = /^retry\.([0-9a-f-]{36})\.[\w-]{22}$/.exec(key)?.[1]
      if (retried !== undefined && sameText(key, retryKey(scope, retried)))
        return { id: retried, keyed: false }
      return {
        id: deriveId(secret, partitionKey, [caller, endpoint, partitionKey, key, String(index)]),
        keyed: true,
      }
    },
  }
}

function sameText(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

/**
 * The name of the authenticated caller, or null while AUTH_MODE is `none`: a command's caller is then the user its body
 * names, and cursors are bound to nobody. Whose things it may touch is another question: ownerOf.
 */
export function callerOf({ caller }: Pick<FastifyRequest, 'caller'>): string | null {
  return nameOf(caller)
}

const keyPattern = /^[\x20-\x7e]{1,255}$/

/** The header wins over the body's field. Throws a 422 for a header that is not 1–255 printable ASCII characters. */
export function idempotencyKeyOf(request: FastifyRequest, bodyKey: string | undefined): string | null {
  const header = request.headers['idempotency-key']
  if (header === undefined) return bodyKey ?? null
  if (typeof header === 'string' && keyPattern.test(header)) return header
  throw invalid('header', '/idempotency-key', 'must be 1 to 255 printable ASCII characters')
}

/** What a keyed request is compared by: the first 16 bytes, in hex, of the SHA-256 of its canonical JSON. */
export function bodyHash(content: Readonly<Record<string, unknown>>): string {
  return canonicalHash(content).slice(0, 32)
}
