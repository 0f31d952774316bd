/** Reservations as CSV (RFC 4180), page by page, as fast as the client reads. */
import { addAbortSignal, pipeline, Readable } from 'node:stream'
import type { ReservationDocument } from '@ironsys/contracts'
import { stringify } from 'csv-stringify'

export interface ExportPage<P> {
  readonly items: readonly ReservationDocument[]
  /** Null on the last page. */
  readonly next: P | null
}

/** Times are UTC; metadata is JSON. */
const columns = [
  'id',
  'slot_id',
  'user_id',
  'quantity',
  'status',
  'reason',
  'created_at',
  'expires_at',
  'booking_id',
  'slot_version',
  'metadata',
] as const

/** It begins with =, +, - or @, also full-width and behind white space, which spreadsheets trim; or with a tab or return. */
const formula = /^(?:[\t\r]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20])/

/**
 * The first page is there already, so that a store that is down is noticed before the answer begins. A page that cannot
 * be read later, or `signal`, ends the stream with an error: the client sees a broken transfer, never a short file.
 * Text that a spreadsheet would take for a formula is led by an apostrophe.
 */
export function csvOf<P>(
  first: ExportPage<P>,
  load: (after: P) => Promise<ExportPage<P>>,
  signal: AbortSignal,
): Readable {
  const csv = stringify({
    header: true,
    columns: [...columns],
    record_delimiter: '\r\n',
    cast: { string: (text) => (formula.test(text) ? `'${text}` : text) },
  })
  // Whoever reads `csv` is told of the error by its destruction.
  addAbortSignal(signal, csv)
  pipeline(Readable.from(rowsOf(first, load)), csv, () => undefined)
  return csv
}

async function* rowsOf<P>(first: ExportPage<P>, load: (after: P) => Promise<ExportPage<P>>) {
  for (let page = first; ; page = await load(page.next)) {
    for (const { metadata, ...rest } of page.items) {
      yield { ...rest, metadata: metadata === undefined ? '' : JSON.stringify(metadata) }
    }
    if (page.next === null) return
  }
}
