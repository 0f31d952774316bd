/** Clients of streams for tests: Server-Sent Events over a plain connection, WebSocket by Node's own client. */
import { get, type IncomingMessage } from 'node:http'
import type { SnapshotDocument } from './documents.ts'

export interface StreamMessage {
  readonly event: string
  /** Null on a message without one. */
  readonly id: string | null
  /** The message that the slot is gone has its id alone: a test knows which one it reads. */
  readonly data: SnapshotDocument
}

export interface StreamClient {
  /** In the order of their arrival. */
  readonly messages: readonly StreamMessage[]
  /** Null while it is open; then `end`, `cut`, or the close code of a WebSocket. */
  readonly ended: string | null
  close(): void
}

export interface EventsClient extends StreamClient {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  /** The time to wait before connecting again that the server asked for, milliseconds. */
  readonly retryMs: number | null
  /** Stops reading: what the server sends piles up in the sockets. */
  pause(): void
  resume(): void
}

/** Resolves when the head of the answer is there, whatever its status. */
export function openEvents(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventsClient> {
  const { promise, resolve, reject } = Promise.withResolvers<EventsClient>()
  const request = get(
    url,
    { agent: false, headers: { accept: 'text/event-stream', ...headers } },
    (answer) => {
      const messages: StreamMessage[] = []
      const client = {
        messages,
        ended: null as string | null,
        status: answer.statusCode ?? 0,
        headers: answer.headers,
        retryMs: null as number | null,
        pause: () => void answer.pause(),
        resume: () => void answer.resume(),
        close: () => void request.destroy(),
      }
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        const blocks = (text + chunk).split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) {
          const fields = fieldsOf(block)
          const retry = fields.get('retry')
          if (retry !== undefined) client.retryMs = Number(retry)
          const data = fields.get('data')
          if (data === undefined) continue
          messages.push({
            event: fields.get('event') ?? '',
            id: fields.get('id') ?? null,
            data: JSON.parse(data),
          })
        }
      })
      answer.on('error', () => {
        client.ended ??= 'cut'
      })
      answer.on('end', () => {
        client.ended ??= 'end'
      })
      resolve(client)
    },
  )
  request.on('error', reject)
  return promise
}

/** Comments have the name ''. */
function fieldsOf(block: string): ReadonlyMap<string, string> {
  return new Map(
    block.split('\n').map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trimStart()] as const
    }),
  )
}

/** Rejects when the server does not take the handshake. `url` is that of HTTP. */
export function openWebSocket(url: string): Promise<StreamClient> {
  const { promise, resolve, reject } = Promise.withResolvers<StreamClient>()
  const messages: StreamMessage[] = []
  const socket = new WebSocket(url.replace(/^http/, 'ws'))
  const client = { messages, ended: null as string | null, close: () => socket.close() }
  socket.onopen = () => resolve(client)
  socket.onerror = () => reject(new Error('the handshake was refused'))
  socket.onmessage = ({ data }) => {
    const { event, id = null, data: document } = JSON.parse(String(data))
    messages.push({ event, id, data: document })
  }
  socket.onclose = ({ code }) => {
    client.ended ??= String(code)
  }
  return promise
}
