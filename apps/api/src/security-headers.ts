/** What every answer tells browsers, whatever it says. No answer is meant to be shown, framed or embedded; pages say more. */
import type { FastifyReply } from 'fastify'

/**
 * No `Strict-Transport-Security`: this server speaks plain HTTP, where it must not be sent (RFC 6797 §7.2). Whoever ends TLS in
 * front of it sends it.
 */
export const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
} as const

/** The same as names and values in turn, as `writeHead` takes them. */
export const securityHeaderList: readonly string[] = Object.entries(securityHeaders).flat()

export function addSecurityHeaders(reply: FastifyReply): void {
  reply.headers(securityHeaders)
}
