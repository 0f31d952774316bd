/** The bytes of a stream's messages, ready for the socket: made once, written to every client of the same form. */
import { streamEvents } from '@ironsys/contracts'

export type StreamForm = 'sse' | 'websocket'
export const streamForms: readonly StreamForm[] = ['sse', 'websocket']

export interface StreamFrames {
  /** `body` is JSON on one line. */
  snapshot(id: string, body: Uint8Array): Buffer
  gone(key: string): Buffer
  /** What keeps an idle connection alive and finds a dead one. */
  readonly beat: Buffer
}

export const streamFrames: Readonly<Record<StreamForm, StreamFrames>> = {
  sse: {
    snapshot: (id, body) => joined(`event: ${streamEvents.snapshot}\nid: ${id}\ndata: `, body, '\n\n'),
    // Without an id: a client that connects again tells the last snapshot it had.
    gone: (key) => Buffer.from(`event: ${streamEvents.gone}\ndata: ${JSON.stringify({ id: key })}\n\n`),
    beat: Buffer.from(':\n\n'),
  },
  websocket: {
    snapshot: (id, body) =>
      textFrame(joined(`{"event":"${streamEvents.snapshot}","id":"${id}","data":`, body, '}')),
    gone: (key) => textFrame(Buffer.from(JSON.stringify({ event: streamEvents.gone, data: { id: key } }))),
    beat: Buffer.from([0x89, 0]),
  },
}

/** How long an EventSource waits before it connects again. */
export function retryFrame(ms: number): Buffer {
  return Buffer.from(`retry: ${Math.round(ms)}\n\n`)
}

/**
 * A whole, unmasked WebSocket text message (RFC 6455 §5.2). `ws` would make one per client, and write it in two parts;
 * without compression a frame is the same for all, and one write.
 */
function textFrame(payload: Buffer): Buffer {
  const { length } = payload
  if (length < 126) return Buffer.concat([Buffer.from([0x81, length]), payload])
  if (length < 65_536) {
    const header = Buffer.from([0x81, 126, 0, 0])
    header.writeUInt16BE(length, 2)
    return Buffer.concat([header, payload])
  }
  const header = Buffer.alloc(10)
  header.set([0x81, 127])
  header.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([header, payload])
}

function joined(before: string, body: Uint8Array, after: string): Buffer {
  return Buffer.concat([Buffer.from(before), body, Buffer.from(after)])
}
