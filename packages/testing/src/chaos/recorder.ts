/** Writes the history down, and remembers what later requests can be about. */

import type { DocumentRead, SlotRead } from './history.ts'
import {
  type Answer,
  type History,
  historyLimits,
  type Intent,
  idOf,
  type Operation,
  type Phase,
} from './history.ts'
import type { World } from './workload.ts'

/** Of each kind that later requests pick from; the oldest are forgotten first. */
const REMEMBERED_MAX = 2000

export type OpenOperation = Operation & { readonly answers: Answer[] }

export interface Recorder {
  readonly history: History
  readonly world: World
  /** True when nothing more can be written down. */
  isFull(): boolean
  begin(phase: Phase, intent: Intent, key: string | null): OpenOperation
  /** Its last attempt is over: later requests may be about what it made. */
  ended(operation: OpenOperation): void
  /** An acknowledged keyed operation; `share` from 0 to below 1 says which. */
  keyedBefore(share: number): OpenOperation | null
  slotRead(read: SlotRead): void
  documentRead(read: DocumentRead): void
}

export function createRecorder(): Recorder {
  const operations: OpenOperation[] = []
  const slotReads: SlotRead[] = []
  const documentReads: DocumentRead[] = []
  const slotIds: string[] = []
  const reservationIds: string[] = []
  const bookingIds: string[] = []
  const keyed: OpenOperation[] = []
  const remember = <T>(list: T[], value: T): void => {
    list.push(value)
    if (list.length > REMEMBERED_MAX) list.shift()
  }
  return {
    history: { operations, slotReads, documentReads },
    world: { slotIds, reservationIds, bookingIds },
    isFull: () => operations.length >= historyLimits.operations,
    begin: (phase, intent, key) => {
      const operation = { phase, intent, key, answers: [] }
      operations.push(operation)
      return operation
    },
    ended: (operation) => {
      const id = idOf(operation)
      if (id === null) return
      const { type } = operation.intent
      if (type === 'create_slot' && operation.answers.at(-1)?.type === 'decided') slotIds.push(id)
      if (type === 'reserve') remember(reservationIds, id)
      if (type === 'book') remember(bookingIds, id)
      if (operation.key !== null) remember(keyed, operation)
    },
    keyedBefore: (share) => keyed[Math.floor(share * keyed.length)] ?? null,
    slotRead: (read) => {
      if (slotReads.length < historyLimits.reads) slotReads.push(read)
    },
    documentRead: (read) => {
      if (documentReads.length < historyLimits.reads) documentReads.push(read)
    },
  }
}
