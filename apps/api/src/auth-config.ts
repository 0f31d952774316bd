/** The environment of authentication and of what is allowed to whom. */
import { sharedKeyBytesMin } from '@ironsys/access'
import { z } from 'zod'

const LOOPBACK_NAMES = ['127.0.0.1', '[::1]', 'localhost']

const origins = z
  .string()
  .default('')
  .transform((text) => text.split(',').filter((part) => part !== ''))
  .refine((list) => list.every(isOrigin), 'must be https://name[:port][,…], without paths and without *')
  .transform((list): ReadonlySet<string> => new Set(list))

export const authEnvironment = {
  /** `none`: nobody is asked who they are. */
  AUTH_MODE: z.enum(['none', 'jwt']).default('none'),
  ALLOW_NO_AUTH: z.enum(['yes', 'no']).default('no'),
  /** Where an identity provider publishes its keys; or JWT_SHARED_KEY. */
  JWKS_URL: z.union([z.url({ protocol: /^https?$/ }), z.literal('')]).default(''),
  /** Tokens are then signed with HS256. */
  JWT_SHARED_KEY: z
    .string()
    .refine(
      (text) => text === '' || Buffer.byteLength(text) >= sharedKeyBytesMin,
      `must have at least ${sharedKeyBytesMin} bytes`,
    )
    .default(''),
  JWT_ISSUER: z.string().max(1024).default(''),
  JWT_AUDIENCE: z.string().max(1024).default(''),
  /** Web sites whose pages may use the API. */
  CORS_ORIGINS: origins,
  /** Requests of one caller that wait for a decision at a time; 0: all. */
  WAITS_PER_CALLER: z.coerce.number().int().min(0).max(1_000_000).default(1000),
} as const

interface AuthValues {
  readonly NODE_ENV: string
  readonly AUTH_MODE: 'none' | 'jwt'
  readonly ALLOW_NO_AUTH: 'yes' | 'no'
  readonly JWKS_URL: string
  readonly JWT_SHARED_KEY: string
  readonly JWT_ISSUER: string
  readonly JWT_AUDIENCE: string
}

export interface AuthFault {
  readonly path: [keyof AuthValues]
  readonly message: string
}

/** What does not go together. */
export function authFaults(values: AuthValues): readonly AuthFault[] {
  const { NODE_ENV, AUTH_MODE, ALLOW_NO_AUTH, JWKS_URL, JWT_SHARED_KEY, JWT_ISSUER, JWT_AUDIENCE } = values
  const fault = (name: keyof AuthValues, message: string): AuthFault => ({ path: [name], message })
  if (AUTH_MODE === 'none') {
    const isRefused = NODE_ENV === 'production' && ALLOW_NO_AUTH !== 'yes'
    return isRefused ? [fault('AUTH_MODE', 'is none, which production refuses unless ALLOW_NO_AUTH=yes')] : []
  }
  const isOpen = NODE_ENV === 'production' && JWKS_URL.startsWith('http:') && !isLoopback(JWKS_URL)
  return [
    ...((JWKS_URL === '') === (JWT_SHARED_KEY === '')
      ? [fault('JWKS_URL', 'or JWT_SHARED_KEY is needed with AUTH_MODE=jwt, and not both')]
      : []),
    ...(isOpen ? [fault('JWKS_URL', 'must be https: whoever can change its answer can be anybody')] : []),
    ...(JWT_ISSUER === '' ? [fault('JWT_ISSUER', 'is needed with AUTH_MODE=jwt')] : []),
    ...(JWT_AUDIENCE === '' ? [fault('JWT_AUDIENCE', 'is needed with AUTH_MODE=jwt')] : []),
  ]
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === text && !text.includes('*')
}

function isLoopback(url: string): boolean {
  return LOOPBACK_NAMES.includes(URL.parse(url)?.hostname ?? '')
}
