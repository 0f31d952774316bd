/**
 * Cursors: a command's place in the log, sealed so that clients can neither read nor make one.
 *
 *   kid (1 character), then base64url of: nonce (12) | ciphertext (23) | tag (16)
 *   ciphertext: partition (2) | offset (6) | log time, ms (6) | topic and kind (1) | start of the body's hash (8, or zeros)
 *
 * AES-256-GCM, bound to id, caller and log generation as associated data. A nonce is eight random bytes per process
 * and a counter of four, the eight drawn again when it wraps: no nonce comes twice under a key, however many cursors
 * there are (random nonces would have to stop at 2^32). Sealing costs 4 µs.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomFillSync,
} from 'node:crypto'
import { type CommandTopic, commandTopics } from '@ironsys/contracts'

/** How a cursor names its topic. Permanent: clients have cursors. */
const topicNumbers: Readonly<Record<CommandTopic, number>> = {
  'reservations.commands': 0,
  'bookings.commands': 1,
}

/** `create`: nothing is known of the id before this command is decided. `change`: something may be. */
export type CursorKind = 'create' | 'change'

export interface LogPlace {
  readonly topic: CommandTopic
  readonly partition: number
  readonly offset: number
  /** LogAppendTime, Unix milliseconds. */
  readonly timeMs: number
  readonly kind: CursorKind
  /**
   * The first 16 hex digits of the body's hash where the request had an idempotency key: what was decided under the
   * id may be an earlier request with the same key and another body.
   */
  readonly bodyHash: string | null
}

export interface CursorKey {
  /** One character of 0-9a-z. */
  readonly kid: string
  /** 32 bytes. */
  readonly key: Buffer
}

export interface CursorCipher {
  /** `caller` is empty without authentication. */
  seal(place: LogPlace, id: string, caller: string): string
  /** Null when it was not sealed for this id, caller and log, or by a key that is no longer there. */
  open(cursor: string, id: string, caller: string): LogPlace | null
}

const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const PLACE_BYTES = 23
const NO_HASH = '0'.repeat(16)
const TAG_BYTES = 16
const CURSOR_CHARACTERS = 1 + Math.ceil(((NONCE_BYTES + PLACE_BYTES + TAG_BYTES) * 4) / 3)
const COUNTER_MAX = 0xffffffff

/** The first key seals, all of them open. `generation` names the log (its cluster id). */
export function createCursorCipher(
  keys: readonly [CursorKey, ...CursorKey[]],
  generation: string,
): CursorCipher {
  const [sealing] = keys
  const sealingKey = createSecretKey(sealing.key)
  const byKid = new Map<string, KeyObject>(keys.map(({ kid, key }) => [kid, createSecretKey(key)]))
  const nextNonce = createNonces()
  const bindingOf = (id: string, caller: string) => Buffer.from(`${id}|${generation}|${caller}`)
  return {
    seal(place, id, caller) {
      const nonce = nextNonce()
      const cipher = createCipheriv(ALGORITHM, sealingKey, nonce)
      cipher.setAAD(bindingOf(id, caller))
      const sealed = cipher.update(encodePlace(place))
      cipher.final()
      return sealing.kid + Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64url')
    },
    open(cursor, id, caller) {
      const key = byKid.get(cursor.slice(0, 1))
      if (key === undefined || cursor.length !== CURSOR_CHARACTERS) return null
      const bytes = Buffer.from(cursor.slice(1), 'base64url')
      if (bytes.length !== NONCE_BYTES + PLACE_BYTES + TAG_BYTES) return null
      const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(bindingOf(id, caller))
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES + PLACE_BYTES))
      const opened = decipher.update(bytes.subarray(NONCE_BYTES, NONCE_BYTES + PLACE_BYTES))
      try {
        decipher.final()
      } catch {
        return null
      }
      return decodePlace(opened)
    },
  }
}

function createNonces(): () => Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES)
  let counter = COUNTER_MAX
  return () => {
    if (counter === COUNTER_MAX) {
      randomFillSync(nonce, 0, 8)
      counter = 0
    }
    counter++
    nonce.writeUInt32BE(counter, 8)
    return nonce
  }
}

function encodePlace({ topic, partition, offset, timeMs, kind, bodyHash }: LogPlace): Buffer {
  const bytes = Buffer.allocUnsafe(PLACE_BYTES)
  bytes.writeUInt16BE(partition, 0)
  bytes.writeUIntBE(offset, 2, 6)
  bytes.writeUIntBE(timeMs, 8, 6)
  bytes.writeUInt8(topicNumbers[topic] * 2 + (kind === 'create' ? 0 : 1), 14)
  bytes.write(bodyHash ?? NO_HASH, 15, 8, 'hex')
  return bytes
}

/** Null for a topic that only a newer process knows. */
function decodePlace(bytes: Buffer): LogPlace | null {
  const number = bytes.readUInt8(14) >>> 1
  const topic = commandTopics.find((each) => topicNumbers[each] === number)
  if (topic === undefined) return null
  const bodyHash = bytes.toString('hex', 15, 23)
  return {
    topic,
    partition: bytes.readUInt16BE(0),
    offset: bytes.readUIntBE(2, 6),
    timeMs: bytes.readUIntBE(8, 6),
    kind: bytes.readUInt8(14) % 2 === 0 ? 'create' : 'change',
    bodyHash: bodyHash === NO_HASH ? null : bodyHash,
  }
}
