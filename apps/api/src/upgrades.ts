/** WebSocket upgrades, taken through Fastify's routes like any request: what is refused is refused with a problem. */
import { type IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { type WebSocket, WebSocketServer } from 'ws'

export const upgradeLimits = {
  /** Of a client's message, bytes: there is nothing to say. Above it `ws` closes with 1009. */
  incomingBytes: 1024,
} as const

export interface Upgrade {
  readonly socket: Socket
  /** Why the handshake cannot be made; null when it can. */
  readonly fault: string | null
  /** Makes the handshake. `opened` is not called when the client has gone meanwhile. */
  accept(opened: (webSocket: WebSocket) => void): void
}

/** The upgrade that a request asks for; null when it asks for none. */
export type UpgradeOf = (request: IncomingMessage) => Upgrade | null

const WEB_SOCKET_PATH = /^[^?]*\/ws(\?|$)/

/**
 * For the HTTP server's options: all other upgrades are ignored, as if nobody had asked for them; so is one in HTTP/1.0
 * (RFC 9110 §7.8).
 */
export function isWebSocketRequest({ method, url, headers, httpVersion }: IncomingMessage): boolean {
  const isAsked = method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'
  return isAsked && httpVersion !== '1.0' && WEB_SOCKET_PATH.test(url ?? '')
}

/** Compression is off: a frame is then the same for all clients, and each needs some hundred kilobytes less. */
export function routeUpgrades(app: FastifyInstance): UpgradeOf {
  const upgrades = new WeakMap<IncomingMessage, Upgrade>()
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: upgradeLimits.incomingBytes,
    // None is spoken; the default would be to agree to the first that the client names.
    handleProtocols: () => false,
  })
  app.server.on('upgrade', (request: IncomingMessage, socket, head: Buffer) => {
    // Node has taken its own listener off.
    socket.on('error', () => socket.destroy())
    if (!(socket instanceof Socket)) {
      socket.destroy()
      return
    }
    const response = new ServerResponse(request)
    response.assignSocket(socket)
    response.shouldKeepAlive = false
    // Refused: nobody reads this connection any more.
    response.once('finish', () => socket.end(() => socket.destroy()))
    upgrades.set(request, {
      socket,
      fault: handshakeFault(request),
      accept: (opened) => {
        response.detachSocket(socket)
        server.handleUpgrade(request, socket, head, opened)
      },
    })
    app.routing(request, response)
  })
  return (request) => upgrades.get(request) ?? null
}

/** What `ws` would refuse in plain text (RFC 6455 §4.2.1). */
function handshakeFault({ headers }: IncomingMessage): string | null {
  if (headers['sec-websocket-version'] !== '13') return 'Sec-WebSocket-Version must be 13'
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
    return 'Sec-WebSocket-Key is missing or is not 16 bytes in base64'
  }
  const protocols = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? []
  const areTokens = protocols.every((name) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
  if (areTokens && new Set(protocols).size === protocols.length) return null
  return 'Sec-WebSocket-Protocol is not a list of different names'
}
