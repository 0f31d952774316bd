/** A keep-alive HTTP client that tells answers from connection faults. Plain node:http: cheap, no dependency. */
import { Agent, type IncomingMessage, request as startRequest } from 'node:http'

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Silence for this long is a fault; default 10 s. */
  readonly timeoutMs?: number
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  /** Parsed JSON; undefined when it is none. */
  readonly body: unknown
}

/** Nobody answered: refused, reset or silent. What was asked may have happened. */
export class ConnectionFault extends Error {
  override readonly name = 'ConnectionFault'
}

export interface HttpClient {
  /** Throws {@link ConnectionFault}. */
  send(request: HttpRequest): Promise<HttpAnswer>
  close(): void
}

export function createHttpClient(baseUrl: string, maxConnections: number): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: maxConnections, maxFreeSockets: maxConnections })
  return {
    send: (request) => send(baseUrl, agent, request),
    close: () => agent.destroy(),
  }
}

function send(baseUrl: string, agent: Agent, request: HttpRequest): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>()
  const content = request.body === undefined ? null : Buffer.from(JSON.stringify(request.body))
  const headers = {
    ...request.headers,
    ...(content && { 'content-type': 'application/json', 'content-length': String(content.length) }),
  }
  const fault = (error: Error) => reject(new ConnectionFault(error.message, { cause: error }))
  const sent = startRequest(
    new URL(request.path, baseUrl),
    { method: request.method, headers, agent },
    (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', fault)
      answer.on('end', () => {
        const body = readJson(Buffer.concat(chunks).toString())
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body })
      })
    },
  )
  sent.on('error', fault)
  const timeoutMs = request.timeoutMs ?? 10_000
  sent.setTimeout(timeoutMs, () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)))
  sent.end(content ?? undefined)
  return promise
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
