/** What the streams of a slot send and take: Server-Sent Events and WebSocket carry the same messages. */
import { z } from 'zod'
import { slotIdSchema } from './fields.ts'
import { slotSnapshotSchema } from './http-answers.ts'

/** The names of the events. */
export const streamEvents = { snapshot: 'snapshot', gone: 'gone' } as const

/** `<epoch>.<version>` of a snapshot: the `id` of an SSE event, as in the `ETag` of GET. */
const streamIdPattern = /^(\d{1,16})\.(\d{1,16})$/

export const streamQuerySchema = z.strictObject({
  last_event_id: z.string().regex(streamIdPattern, 'must be the id of an event').optional().meta({
    description:
      'The id of the last event that the client has: its snapshot is not sent again. The header `Last-Event-ID` wins.',
  }),
})
export type StreamQuery = z.infer<typeof streamQuerySchema>

export const slotStreamMessageSchema = z.union([
  z.object({
    event: z.literal(streamEvents.snapshot).meta({ description: 'The slot, as it is now.' }),
    id: z.string().meta({ description: 'What resumes after it: epoch and version of the snapshot.' }),
    data: slotSnapshotSchema.meta({ description: 'As `GET /slots/{id}` answers it.' }),
  }),
  z.object({
    event: z.literal(streamEvents.gone).meta({ description: 'The slot was removed: nothing follows.' }),
    data: z
      .object({ id: slotIdSchema.meta({ description: 'Of the slot.' }) })
      .meta({ description: 'What was removed.' }),
  }),
])
export type SlotStreamMessage = z.infer<typeof slotStreamMessageSchema>

export interface StreamId {
  readonly epoch: number
  readonly version: number
}

export function streamIdText({ epoch, version }: StreamId): string {
  return `${epoch}.${version}`
}

/** Null when it is none of ours. */
export function readStreamId(text: string): StreamId | null {
  const found = streamIdPattern.exec(text)
  if (found === null) return null
  const [epoch, version] = [Number(found[1]), Number(found[2])]
  return Number.isSafeInteger(epoch) && Number.isSafeInteger(version) ? { epoch, version } : null
}
