/** How long a client waits: `Prefer: wait=N` (RFC 7240), its connection, and our own shutdown. */
import { limits } from '@ironsys/contracts'
import type { FastifyReply } from 'fastify'

/**
 * How long the client wants to wait, in whole seconds within 1–30, or null. Preferences are hints: what cannot be read
 * is ignored, more than 30 is taken for 30, and the first `wait` counts.
 */
export function waitSecondsOf(header: string | string[] | undefined): number | null {
  if (header === undefined) return null
  const text = typeof header === 'string' ? header : header.join(',')
  const value = /(?:^|,)\s*wait\s*=\s*(?:"(\d{1,9})"|(\d{1,9}))\s*(?=[;,]|$)/i.exec(text)
  const seconds = Number(value?.[1] ?? value?.[2] ?? 0)
  return seconds < 1 ? null : Math.min(seconds, limits.waitSecondsMax)
}

/** Aborts when the connection closes before the answer is out, or when `closing` says that nobody may wait longer. */
export function patience(reply: FastifyReply, closing: AbortSignal): AbortSignal {
  const controller = new AbortController()
  const end = () => controller.abort()
  closing.addEventListener('abort', end)
  reply.raw.once('close', () => {
    closing.removeEventListener('abort', end)
    end()
  })
  if (closing.aborted || reply.raw.destroyed) end()
  return controller.signal
}
