/** What Node's HTTP parser refuses never becomes a request; it is answered with a problem document all the same. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ProblemCode } from './errors.ts'
import { problemContentType, problemDocument } from './problem.ts'
import { securityHeaders } from './security-headers.ts'

const codes: Readonly<Record<string, ProblemCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  HPE_HEADER_OVERFLOW: 'headers-too-large',
}

export function clientErrorAnswer(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return void socket.destroy()
  const document = problemDocument({ code: codes[error.code ?? ''] ?? 'bad-request' })
  const body = JSON.stringify(document)
  const lines = [
    `HTTP/1.1 ${document.status} ${STATUS_CODES[document.status]}`,
    `content-type: ${problemContentType}`,
    'cache-control: private, no-store',
    ...Object.entries(securityHeaders).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
}
