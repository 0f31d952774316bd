/** What Node's HTTP parser refuses never becomes a request; it is answered with a problem document all the same. */
import type { Socket } from 'node:net'
import type { ProblemCode } from './errors.ts'
import { problemContentType, problemDocument } from './problem.ts'

const codes: Readonly<Record<string, ProblemCode>> = { ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout' }

export function clientErrorAnswer(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return void socket.destroy()
  const document = problemDocument({ code: codes[error.code ?? ''] ?? 'bad-request' })
  const body = JSON.stringify(document)
  const lines = [
    `HTTP/1.1 ${document.status} ${document.status === 408 ? 'Request Timeout' : 'Bad Request'}`,
    `content-type: ${problemContentType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
}
