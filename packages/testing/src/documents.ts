/** What tests see of an answer: they know which document it is, so each field is there, with the type it has there. */
import type {
  AcceptedBooking,
  AcceptedReservation,
  AuditDocument,
  BookingDocument,
  ProblemDocument,
  ReservationDocument,
  ReserveBatchAnswer,
  SlotStreamMessage,
} from '@ironsys/contracts'

type KeyOf<D> = D extends unknown ? keyof D : never
type FieldOf<D, K> = D extends unknown ? (K extends keyof D ? Exclude<D[K], undefined> : never) : never

/** Every field that one of the documents has, with the types that it has in any of them. */
type Merged<D> = { readonly [K in KeyOf<D>]: FieldOf<D, K> }

export type SnapshotDocument = Extract<SlotStreamMessage, { readonly event: 'snapshot' }>['data']

/** The status of a problem is that of its answer. */
type Document =
  | SnapshotDocument
  | ReservationDocument
  | AcceptedReservation
  | AuditDocument
  | Omit<BookingDocument | AcceptedBooking, 'items'>
  | Omit<ProblemDocument, 'status'>

/** Of a page, of a booking or of a batch. */
export type ItemDocument = Merged<
  Document | BookingDocument['items'][number] | ReserveBatchAnswer['items'][number]
>

/** The body of an answer to a client. */
export type AnswerBody = Merged<Document> & {
  readonly items: readonly ItemDocument[]
  readonly next_cursor: string | null
}
