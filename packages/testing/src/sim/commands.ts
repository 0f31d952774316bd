/** Commands as the edge writes them, each with what it means to the model. */
import { createHash, createSecretKey } from 'node:crypto'
import { deriveId, partitionOfId, partitionOfKey } from '@ironsys/contracts'
import { timeText } from '@ironsys/reservations'
import type { Meaning, ModelCommand } from './model.ts'
import { refusedByDatabase } from './system.ts'

/** What a client wants, and goes on wanting: each time it asks, the same command comes out. */
export interface Intent {
  /** The caller's Idempotency-Key. */
  readonly key: string
  readonly user: string
  readonly wish: Wish
}

export type Wish =
  | {
      readonly type: 'create_slot'
      readonly slotId: string
      readonly capacity: number
      readonly overbookingBps: number
      readonly salesOpenMs: number | null
      readonly salesCloseMs: number | null
    }
  | {
      readonly type: 'update_slot'
      readonly slotId: string
      readonly capacity: number | null
      readonly status: 'open' | 'closed' | null
    }
  | {
      readonly type: 'reserve'
      readonly slotId: string
      readonly quantity: number
      /** The database refuses what it leads to. */
      readonly refused: boolean
      /** Written by a producer of a later release. */
      readonly newer: boolean
    }
  | { readonly type: 'cancel'; readonly reservationId: string }

export interface WrittenCommand {
  readonly id: string
  readonly partition: number
  readonly logKey: string
  readonly value: string
  readonly meaning: Meaning
}

/** The id key of the deployment. */
const idKey = createSecretKey(Buffer.alloc(32, 7))

export function slotIdOf(seed: number, index: number): string {
  return deriveId(idKey, `slot ${index}`, [`${seed}`, `${index}`])
}

/** The id that a reservation of this intent gets. */
export function reservationIdOf({ key, user }: Intent, slotId: string): string {
  return deriveId(idKey, slotId, [user, 'POST /reservations', slotId, key, '0'])
}

/** What one request of the client becomes. `replyTo` is that request's own. */
export function writeCommand(intent: Intent, replyTo: string, partitions: number): WrittenCommand {
  const { wish } = intent
  const command = commandOf(intent)
  const { id } = command
  const meaning: Meaning = { kind: 'command', command }
  const envelope = {
    v: wish.type === 'reserve' && wish.newer ? 2 : 1,
    id,
    reply_to: replyTo,
    type: wish.type,
  }
  const value = JSON.stringify({ ...envelope, ...fieldsOf(intent, command) })
  const logKey = wish.type === 'cancel' ? wish.reservationId : wish.slotId
  const partition =
    wish.type === 'cancel'
      ? partitionOfId(wish.reservationId, partitions)
      : partitionOfKey(wish.slotId, partitions)
  return { id, partition, logKey, value, meaning }
}

function commandOf(intent: Intent): ModelCommand {
  const { wish, key, user } = intent
  const hash = createHash('sha256').update(JSON.stringify(wish)).digest('hex').slice(0, 32)
  switch (wish.type) {
    case 'create_slot':
      return { ...wish, id: wish.slotId, hash }
    case 'update_slot':
      return { ...wish, id: deriveId(idKey, wish.slotId, [user, 'PATCH /slots', wish.slotId, key]), hash }
    case 'reserve':
      return { ...wish, id: reservationIdOf(intent, wish.slotId), hash }
    case 'cancel':
      return { ...wish, id: deriveId(idKey, wish.reservationId, [user, 'DELETE', wish.reservationId, key]) }
  }
}

function fieldsOf({ user, wish }: Intent, command: ModelCommand): object {
  const body_hash = 'hash' in command ? command.hash : undefined
  switch (wish.type) {
    case 'create_slot':
      return {
        name: 'A slot',
        start_time: '2030-01-01T09:00:00.000Z',
        end_time: '2030-01-01T10:00:00.000Z',
        capacity: wish.capacity,
        overbooking_bps: wish.overbookingBps,
        sales_open_at: wish.salesOpenMs === null ? null : timeText(wish.salesOpenMs),
        sales_close_at: wish.salesCloseMs === null ? null : timeText(wish.salesCloseMs),
        body_hash,
      }
    case 'update_slot':
      return {
        slot_id: wish.slotId,
        ...(wish.capacity === null ? {} : { capacity: wish.capacity }),
        ...(wish.status === null ? {} : { status: wish.status }),
        body_hash,
      }
    case 'reserve':
      return {
        slot_id: wish.slotId,
        user_id: user,
        quantity: wish.quantity,
        ...(wish.refused ? { metadata: refusedByDatabase } : {}),
        body_hash,
      }
    case 'cancel':
      return { reservation_id: wish.reservationId }
  }
}
