import { createTracing, type Tracing } from '@ironsys/telemetry'
import { afterEach, expect, test } from 'vitest'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'

const SLOT = '11111111-2222-4333-8444-555555555555'
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const traceparent = `00-${TRACE}-b7ad6b7169203331-00`

let world: MemoryWorld
afterEach(() => world.app.close())

/** Traces what has a header `traced`. */
function recorded() {
  const ended: object[] = []
  const tracing: Tracing = {
    start: (method, headers) =>
      headers.traced === undefined
        ? null
        : { traceId: 'trace-1', end: (answer) => void ended.push({ method, ...answer }) },
    close: async () => undefined,
  }
  return { ended, tracing }
}

test('a traced request ends its span once, with the pattern of its route and the id it was answered with', async () => {
  const { ended, tracing } = recorded()
  world = createMemoryWorld({ tracing })
  const traced = (url: string, method: 'GET' | 'PATCH' = 'GET') =>
    world.app.inject({ method, url, headers: { traced: 'yes' } })
  const ids = []
  for (const url of [`/slots/${SLOT}?min_version=0`, '/slots/none', '/nowhere/at/all'])
    ids.push((await traced(url)).headers['x-request-id'])
  ids.push((await traced('/bookings', 'PATCH')).headers['x-request-id'])
  await world.app.inject(`/slots/${SLOT}`)
  expect(ended).toEqual([
    { method: 'GET', route: '/slots/:id', status: 404, requestId: ids[0] },
    { method: 'GET', route: '/slots/:id', status: 422, requestId: ids[1] },
    { method: 'GET', route: null, status: 404, requestId: ids[2] },
    { method: 'PATCH', route: null, status: 405, requestId: ids[3] },
  ])
})

test('the log names the trace: its own, or that of a caller who does not sample it', async () => {
  const lines: { trace_id?: string }[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
  world = createMemoryWorld({ ...recorded(), log: { level: 'debug', destination } })
  world.outage = new Error('down')
  for (const headers of [{ traced: 'yes' }, { traceparent }, {}]) {
    await world.app.inject({ url: '/slots', headers })
  }
  // Two lines each: what went wrong, and that the request failed.
  expect(lines.map((line) => line.trace_id)).toEqual([
    'trace-1',
    'trace-1',
    TRACE,
    TRACE,
    undefined,
    undefined,
  ])
})

test('nobody notices that the collector is dead', async () => {
  const failed: number[] = []
  world = createMemoryWorld()
  const tracing = createTracing(
    {
      logger: world.deps.logger,
      observe: (result, spans) => void (result === 'failed' && failed.push(spans)),
      nowMs: () => Date.now(),
      random: () => 0,
    },
    { service: 'tested', instanceId: 'test', endpoint: 'http://127.0.0.1:1', ratio: () => 1 },
  )
  const plain = await world.app.inject('/slots')
  await world.app.close()
  world = createMemoryWorld({ tracing })
  const traced = await world.app.inject('/slots')
  const comparable = ({ statusCode, body, headers: { date, ...others } }: typeof plain) => [
    statusCode,
    body,
    others,
  ]
  expect(comparable(traced)).toEqual(comparable(plain))
  await tracing.close()
  expect(failed).toEqual([1])
})
