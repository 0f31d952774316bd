/**
 * The connections of one kafkajs client. kafkajs keeps a connection that has stopped answering, and it can't say
 * whether a request was ever sent; both are seen, and put right, where the sockets are made.
 *
 * Invariants:
 * 1. A produce request that was not counted here was never written to any socket of this client.
 * 2. After `close` no byte leaves: open sockets are cut, new ones fail.
 */
import net from 'node:net'
import tls from 'node:tls'
import type { ISocketFactory } from 'kafkajs'

/** Where kafkajs gets its sockets from; a test puts a proxy in between. */
export type SocketFactory = ISocketFactory

export interface SocketWatch {
  readonly factory: SocketFactory
  /** Cuts the connections to `broker` (`host:port`), or all; kafkajs then connects anew. */
  cut(broker?: string): void
  /** Cuts everything and lets nothing be opened again. */
  close(): void
}

export interface SocketEvents {
  /** A produce request is about to be written to a socket. */
  readonly produceRequest?: () => void
  /** A connection that was open is gone, and not by `close`. */
  readonly lost?: () => void
}

const KEEP_ALIVE_DELAY_MS = 10_000
/** A Kafka request starts with its size (4 bytes) and its API key (2 bytes); Produce is key 0. */
const API_KEY_AT = 4
const PRODUCE_API_KEY = 0

export function watchSockets(make: SocketFactory = connectDirectly, events: SocketEvents = {}): SocketWatch {
  const sockets = new Map<net.Socket, string>()
  let closed = false

  const factory: SocketFactory = (target) => {
    if (closed) return brokenSocket()
    const socket = make(target)
    // Without it the second of several requests in flight waits for the answer to the first (Nagle).
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
    if (events.produceRequest !== undefined) watchWrites(socket, events.produceRequest)
    sockets.set(socket, `${target.host}:${target.port}`)
    let connected = false
    // A server whose certificate is refused was never there.
    socket.once(socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect', () => {
      connected = true
    })
    socket.once('close', () => {
      sockets.delete(socket)
      if (connected && !closed) events.lost?.()
    })
    return socket
  }
  // With an error, or kafkajs would not notice: it listens for 'error' and 'end', not for 'close'.
  const cut = (broker?: string): void => {
    const reason = new Error(closed ? 'this client is closed' : 'cut, because it does not answer')
    for (const [socket, at] of sockets) {
      if (broker === undefined || broker === at) socket.destroy(reason)
    }
  }
  return {
    factory,
    cut,
    close: () => {
      closed = true
      cut()
    },
  }
}

const connectDirectly: SocketFactory = ({ host, port, ssl, onConnect }) => {
  // kafkajs's types say that ssl is always there; without TLS it is undefined.
  const options: tls.ConnectionOptions | undefined = ssl
  if (!options) return net.connect({ host, port }, onConnect)
  const name = net.isIP(host) === 0 ? { servername: host } : {}
  return tls.connect({ host, port, ...name, ...options }, onConnect)
}

function watchWrites(socket: net.Socket, produceRequest: () => void): void {
  socket.write = new Proxy(socket.write, {
    apply(write, self, args: unknown[]) {
      if (isProduceRequest(args[0])) produceRequest()
      return Reflect.apply(write, self, args)
    },
  })
}

/** kafkajs writes each request with one call. */
function isProduceRequest(chunk: unknown): boolean {
  return (
    Buffer.isBuffer(chunk) &&
    chunk.length >= API_KEY_AT + 2 &&
    chunk.readInt16BE(API_KEY_AT) === PRODUCE_API_KEY
  )
}

function brokenSocket(): net.Socket {
  const socket = new net.Socket()
  process.nextTick(() => socket.destroy(new Error('this client is closed')))
  return socket
}
