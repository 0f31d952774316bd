/** A small HTTP client for the tests of the whole system. */
import { randomUUID } from 'node:crypto'
import type { AnswerBody, ItemDocument } from './documents.ts'

export interface Answer<B = AnswerBody> {
  readonly status: number
  readonly headers: Headers
  readonly body: B
}

export interface Client {
  /** `B` is what the route answers where that is none of the documents. */
  call<B = AnswerBody>(
    method: string,
    path: string,
    body?: object,
    headers?: Record<string, string>,
  ): Promise<Answer<B>>
  /** Makes a slot, waits for it, answers its id. */
  createSlot(capacity: number, more?: object): Promise<string>
  /** Reserves and waits for the decision. */
  reserve(slotId: string, more?: object, headers?: Record<string, string>): Promise<Answer>
  /** Confirms a hold and waits for the decision. */
  confirm(reservationId: string, more?: object, headers?: Record<string, string>): Promise<Answer>
  /** Cancels a reservation and waits for the decision; `asUser` is who asks. */
  cancel(reservationId: string, asUser?: string): Promise<Answer>
  /** Books and waits for the decision. */
  book(items: readonly BookedItem[], more?: object, headers?: Record<string, string>): Promise<Answer>
  confirmBooking(bookingId: string, more?: object): Promise<Answer>
  cancelBooking(bookingId: string, asUser?: string): Promise<Answer>
  /** All pages of a listing, as one list. `path` may have a query. */
  listAll(path: string): Promise<readonly ItemDocument[]>
  /** The file of a slot's reservations. */
  exportSlot(slotId: string): Promise<{ readonly status: number; readonly text: string }>
  audit(slotId: string): Promise<AnswerBody>
}

export interface BookedItem {
  readonly slot_id: string
  readonly quantity?: number
}

const waiting = { prefer: 'wait=20' }

export function createClient(url: string): Client {
  const call: Client['call'] = async (method, path, body, headers = {}) => {
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { ...type, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, body: text === '' ? null : JSON.parse(text) }
  }
  return {
    call,
    createSlot: async (capacity, more = {}) => {
      const slot = {
        name: 'A slot',
        start_time: '2030-01-01T09:00:00Z',
        end_time: '2030-01-01T10:00:00Z',
        capacity,
        ...more,
      }
      const { status, body } = await call('POST', '/slots', slot, waiting)
      if (status !== 201) throw new Error(`creating a slot answered ${status}: ${JSON.stringify(body)}`)
      return body.id
    },
    reserve: (slotId, more = {}, headers = {}) =>
      call(
        'POST',
        '/reservations',
        { slot_id: slotId, user_id: randomUUID(), ...more },
        { ...waiting, ...headers },
      ),
    confirm: (id, more = {}, headers = {}) =>
      call('POST', `/reservations/${id}/confirm`, more, { ...waiting, ...headers }),
    cancel: (id, asUser) => call('DELETE', `/reservations/${id}${asking(asUser)}`, undefined, waiting),
    book: (items, more = {}, headers = {}) =>
      call('POST', '/bookings', { user_id: randomUUID(), items, ...more }, { ...waiting, ...headers }),
    confirmBooking: (id, more = {}) => call('POST', `/bookings/${id}/confirm`, more, waiting),
    cancelBooking: (id, asUser) => call('DELETE', `/bookings/${id}${asking(asUser)}`, undefined, waiting),
    listAll: (path) => listAll(call, path),
    exportSlot: async (id) => {
      const answer = await fetch(`${url}/slots/${id}/reservations`, { headers: { accept: 'text/csv' } })
      return { status: answer.status, text: await answer.text() }
    },
    audit: async (slotId) => (await call('GET', `/slots/${slotId}/audit`)).body,
  }
}

function asking(user: string | undefined): string {
  return user === undefined ? '' : `?user_id=${encodeURIComponent(user)}`
}

async function listAll(call: Client['call'], path: string): Promise<readonly ItemDocument[]> {
  const found: ItemDocument[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const next: string = cursor === '' ? '' : `${path.includes('?') ? '&' : '?'}cursor=${cursor}`
    const { status, body }: Answer = await call('GET', path + next)
    if (status !== 200) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`)
    found.push(...body.items)
    cursor = body.next_cursor
  }
  return found
}
