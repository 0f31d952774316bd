import { expect, test } from 'vitest'
import { streamFrames } from './stream-frames.ts'

const body = (length: number) => Buffer.from(JSON.stringify('ü'.repeat(length)))

test('an event is one block of lines', () => {
  const { snapshot, gone, beat } = streamFrames.sse
  expect(snapshot('1.2', body(1)).toString()).toBe('event: snapshot\nid: 1.2\ndata: "ü"\n\n')
  expect(gone('a').toString()).toBe('event: gone\ndata: {"id":"a"}\n\n')
  expect(beat.toString()).toBe(':\n\n')
})

/** RFC 6455 §5.2: a final text frame, unmasked; its length in 7, 16 or 64 bits, the shortest that holds it. */
test.each([
  [0, 2],
  [60, 4],
  [32_735, 4],
  [32_760, 10],
  [100_000, 10],
])('a WebSocket message with %i letters has a header of %i bytes', (letters, headerBytes) => {
  const frame = streamFrames.websocket.snapshot('1.2', body(letters))
  const payload = frame.subarray(headerBytes)
  expect(JSON.parse(payload.toString())).toEqual({ event: 'snapshot', id: '1.2', data: 'ü'.repeat(letters) })
  expect(frame[0]).toBe(0x81)
  const lengths = {
    2: () => frame[1],
    4: () => frame.readUInt16BE(2),
    10: () => Number(frame.readBigUInt64BE(2)),
  }
  expect(lengths[headerBytes as keyof typeof lengths]()).toBe(payload.length)
  if (headerBytes > 2) expect(frame[1]).toBe(headerBytes === 4 ? 126 : 127)
})
