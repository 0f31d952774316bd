/**
 * API keys: `iron_<id>_<secret>`, 16 hex digits and 256 random bits in base64url. Stored is the secret's SHA-256: a slow,
 * salted hash is for what people think of, which can be guessed; of 2^256 secrets none is found by trying.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

const PREFIX = 'iron_'
const keyPattern = /^iron_([0-9a-f]{16})_([\w-]{43})$/
export const apiKeyIdPattern = /^[0-9a-f]{16}$/

export interface ApiKey {
  readonly id: string
  readonly secret: string
}

export function mintApiKey(): ApiKey {
  return { id: randomBytes(8).toString('hex'), secret: randomBytes(32).toString('base64url') }
}

/** As it is handed out, once. */
export function apiKeyText({ id, secret }: ApiKey): string {
  return `${PREFIX}${id}_${secret}`
}

/** Whether it is meant as a key: no JWT begins like that. */
export function isApiKeyLike(credential: string): boolean {
  return credential.startsWith(PREFIX)
}

/** Null where it is not one. */
export function parseApiKey(text: string): ApiKey | null {
  const [, id, secret] = keyPattern.exec(text) ?? []
  return id === undefined || secret === undefined ? null : { id, secret }
}

export function hashSecret(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
}

/** In a time that does not depend on what differs. */
export function isSecretOf(secret: string, secretSha256: Uint8Array): boolean {
  return secretSha256.length === 32 && timingSafeEqual(hashSecret(secret), secretSha256)
}
