/** A small HTTP client for the tests of the whole system. */
import { randomUUID } from 'node:crypto'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever the body is
  readonly body: any
}

export interface Client {
  call(method: string, path: string, body?: object, headers?: Record<string, string>): Promise<Answer>
  /** Makes a slot, waits for it, answers its id. */
  createSlot(capacity: number, more?: object): Promise<string>
  /** Reserves and waits for the decision. */
  reserve(slotId: string, more?: object, headers?: Record<string, string>): Promise<Answer>
  audit(slotId: string): Promise<Answer['body']>
}

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
      const { status, body } = await call('POST', '/slots', slot, { prefer: 'wait=20' })
      if (status !== 201) throw new Error(`creating a slot answered ${status}: ${JSON.stringify(body)}`)
      return body.id
    },
    reserve: (slotId, more = {}, headers = {}) =>
      call(
        'POST',
        '/reservations',
        { slot_id: slotId, user_id: randomUUID(), ...more },
        { prefer: 'wait=20', ...headers },
      ),
    audit: async (slotId) => (await call('GET', `/slots/${slotId}/audit`)).body,
  }
}
