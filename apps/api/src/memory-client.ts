/** For tests: a client of the API in memory. */
import type { MemoryWorld } from './memory-world.ts'

export const SLOT = '11111111-2222-4333-8444-555555555555'
export const OTHER_SLOT = '21111111-2222-4333-8444-555555555555'

export function slotBody(change: object = {}) {
  return {
    id: SLOT,
    name: 'Hall',
    start_time: '2026-05-01T12:00:00Z',
    end_time: '2026-05-01T14:00:00Z',
    capacity: 10,
    ...change,
  }
}

type Method = 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'DELETE'

export type MemoryClient = ReturnType<typeof createMemoryClient>

/** Every command waits for its decision unless its headers say otherwise. */
export function createMemoryClient(world: MemoryWorld) {
  async function call(
    method: Method,
    url: string,
    payload?: object,
    headers: Record<string, string> = { prefer: 'wait=5' },
  ) {
    const answer = await world.app.inject({ method, url, headers, ...(payload && { payload }) })
    const isJson = String(answer.headers['content-type']).includes('json') && answer.body !== ''
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text: answer.body,
      body: isJson ? answer.json() : null,
    }
  }
  /** Status, and what it is about in one word. */
  async function tell(method: Method, url: string, payload?: object) {
    const { status, body } = await call(method, url, payload)
    return `${status} ${body.code ?? body.status}`
  }
  return {
    call,
    tell,
    makeSlot: async (change: object = {}) => {
      const made = await call('POST', '/slots', slotBody(change))
      if (made.status !== 201) throw new Error(`making a slot answered ${made.status}: ${made.text}`)
      return made
    },
    reserve: (body: object = {}, headers?: Record<string, string>) =>
      call('POST', '/reservations', { slot_id: SLOT, user_id: 'u1', ...body }, headers),
    lastCommand: () => JSON.parse(world.records.at(-1)?.value ?? 'null'),
  }
}
