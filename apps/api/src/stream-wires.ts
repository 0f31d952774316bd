/** The two protocols of a stream. What they have in common is written as whole frames of {@link file://./stream-frames.ts}. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Stream, StreamEnd, Wire } from './stream.ts'
import { streamFrames } from './stream-frames.ts'

/** Messages, pings and pongs of a client between two beats: it has nothing to say but one pong. */
export const INCOMING_PER_BEAT = 20

/** The response's head is written already. */
export function eventStreamWire(response: ServerResponse, stream: Stream): Wire {
  response.once('close', () => stream.closed())
  // Its close follows.
  response.on('error', () => undefined)
  return {
    form: 'sse',
    send: (bytes, taken) => void response.write(bytes, taken),
    beat: (taken) => void response.write(streamFrames.sse.beat, taken),
    isSilent: () => false,
    end: (_why, last) => void (last === null ? response.end() : response.end(last)),
    destroy: () => void response.destroy(),
  }
}

/**
 * Frames go past `ws`, which would make each of them anew; it reads, answers pings and closes. Whoever has the socket tells
 * the stream when that is closed, also when the handshake comes to nothing.
 */
export function webSocketWire(webSocket: WebSocket, socket: Socket, stream: Stream): Wire {
  let owesPong = false
  let incoming = 0
  const count = () => {
    incoming++
    if (incoming > INCOMING_PER_BEAT) stream.finish('unruly')
    if (incoming > INCOMING_PER_BEAT * 2) stream.destroy('unruly')
  }
  webSocket.on('message', count)
  webSocket.on('ping', count)
  webSocket.on('pong', () => {
    owesPong = false
    count()
  })
  // It closes by itself, with the code of what was wrong.
  webSocket.on('error', () => undefined)
  return {
    form: 'websocket',
    send: (bytes, taken) => void socket.write(bytes, taken),
    beat: (taken) => {
      owesPong = true
      incoming = 0
      socket.write(streamFrames.websocket.beat, taken)
    },
    isSilent: () => owesPong,
    end: (why, last) => {
      if (last !== null) socket.write(last)
      webSocket.close(closeCodes[why], why)
    },
    destroy: () => webSocket.terminate(),
  }
}

/** RFC 6455 §7.4.1: normal, going away, policy violation. The last three are never said: the connection is cut. */
const closeCodes: Readonly<Record<StreamEnd, number>> = {
  gone: 1000,
  draining: 1001,
  unruly: 1008,
  client: 1000,
  stalled: 1008,
  silent: 1008,
}
