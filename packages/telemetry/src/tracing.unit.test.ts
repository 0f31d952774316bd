import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLogger } from './logger.ts'
import { type Collector, startCollector } from './otlp-collector.fixture.ts'
import { createTracing, type SpanResult, type Tracing, tracingLimits } from './tracing.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
const answer = { route: '/slots/:id', status: 200, requestId: 'r-1' }

let collector: Collector
let tracing: Tracing
let lines: string[]
let counts: Record<SpanResult, number>
let random: number
let nowMs: number

beforeEach(async () => {
  collector = await startCollector()
  lines = []
  counts = { exported: 0, failed: 0, dropped: 0 }
  random = 0
  nowMs = 5000
  tracing = open(collector.endpoint)
})
afterEach(async () => {
  await tracing.close()
  await collector.close()
})

function open(endpoint: string): Tracing {
  const destination = { write: (line: string) => void lines.push(line) }
  return createTracing(
    {
      logger: createLogger({ name: 'test', level: 'info', destination }),
      observe: (result, spans) => {
        counts[result] += spans
      },
      nowMs: () => nowMs,
      random: () => random,
    },
    { service: 'tested', instanceId: 'i-1', endpoint, ratio: () => 0.01 },
  )
}

const traceparent = (flags: string) => ({ traceparent: `00-${TRACE}-${PARENT}-${flags}` })

test('a span says what was asked and answered, by the names of the HTTP conventions', async () => {
  const span = tracing.start('GET', {})
  span?.end({ ...answer, status: 503 })
  await tracing.close()
  expect([...collector.paths]).toEqual(['/v1/traces'])
  expect(collector.spans).toEqual([
    {
      traceId: span?.traceId,
      parentSpanId: '',
      name: 'GET /slots/:id',
      kind: 2,
      status: 2,
      service: 'tested',
      attributes: {
        'http.request.method': 'GET',
        'http.route': '/slots/:id',
        'url.scheme': 'http',
        'http.response.status_code': 503,
        'http.response.header.x-request-id': ['r-1'],
        'error.type': '503',
      },
    },
  ])
  expect(counts).toEqual({ exported: 1, failed: 0, dropped: 0 })
})

test('the ratio decides for requests without a caller, and only for them', async () => {
  random = 0.01
  expect(tracing.start('GET', {})).toBeNull()
  expect(tracing.start('GET', traceparent('00'))).toBeNull()
  expect(tracing.start('GET', { traceparent: 'no such thing' })).toBeNull()
  tracing.start('GET', traceparent('01'))?.end(answer)
  random = 0.0099
  expect(tracing.start('GET', traceparent('00'))).toBeNull()
  tracing.start('BREW', { traceparent: 'no such thing' })?.end({ ...answer, route: null, status: 404 })
  await tracing.close()
  expect(collector.spans).toMatchObject([
    { traceId: TRACE, parentSpanId: PARENT, name: 'GET /slots/:id', status: 0 },
    { parentSpanId: '', name: 'HTTP', status: 0, attributes: { 'http.request.method': '_OTHER' } },
  ])
})

test('spans leave by themselves, in batches', async () => {
  tracing.start('GET', {})?.end(answer)
  await vi.waitFor(() => expect(collector.spans).toHaveLength(1), { timeout: 15_000 })
})

test('a caller cannot have everything traced', async () => {
  const spans = Array.from({ length: tracingLimits.spansPerSecond + 5 }, () =>
    tracing.start('GET', traceparent('01')),
  )
  expect(spans.filter((span) => span === null)).toHaveLength(5)
  expect(counts.dropped).toBe(5)
})

test('a collector that does not answer holds a bounded number of spans, and an end that is too late none', async () => {
  collector.answer = null
  const rounds = Math.ceil((tracingLimits.pendingSpans + 1) / tracingLimits.spansPerSecond)
  const crowded = createTracing(
    {
      logger: createLogger({ name: 'test', level: 'silent' }),
      observe: (result, spans) => {
        counts[result] += spans
      },
      nowMs: () => nowMs,
      random: () => 0,
    },
    { service: 'tested', instanceId: 'i-1', endpoint: collector.endpoint, ratio: () => 1 },
  )
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < tracingLimits.spansPerSecond; i++) crowded.start('GET', {})?.end(answer)
    nowMs += 1000
  }
  expect(counts.dropped).toBe(rounds * tracingLimits.spansPerSecond - tracingLimits.pendingSpans)
  const late = crowded.start('GET', {})
  await crowded.close()
  expect(counts.failed).toBe(tracingLimits.pendingSpans)
  late?.end(answer)
  expect(counts.dropped).toBe(rounds * tracingLimits.spansPerSecond - tracingLimits.pendingSpans + 1)
})

test('an outage of the collector is one line of the log, and so is its end', async () => {
  const say = () => lines.map((line) => JSON.parse(line).msg)
  collector.answer = 500
  for (const failures of [1, 2]) {
    tracing.start('GET', {})?.end(answer)
    await vi.waitFor(() => expect(counts.failed).toBe(failures), { timeout: 15_000 })
  }
  expect(say()).toEqual(['spans cannot be exported; going on without them'])
  collector.answer = 200
  tracing.start('GET', {})?.end(answer)
  await vi.waitFor(() => expect(counts.exported).toBe(1), { timeout: 15_000 })
  expect(say().slice(1)).toEqual(['spans are exported again'])
})

test('spans that could not be exported leave their places to others', async () => {
  collector.answer = 500
  const rounds = Math.ceil(tracingLimits.pendingSpans / tracingLimits.batchSpans)
  for (let round = 1; round <= rounds; round++) {
    for (let i = 0; i < tracingLimits.batchSpans; i++) tracing.start('GET', {})?.end(answer)
    nowMs += 1000
    const failures = round * tracingLimits.batchSpans
    await vi.waitFor(() => expect(counts.failed).toBe(failures), { timeout: 15_000 })
  }
  collector.answer = 200
  tracing.start('GET', {})?.end(answer)
  await vi.waitFor(() => expect(counts).toMatchObject({ exported: 1, dropped: 0 }), { timeout: 15_000 })
})

test('with nobody at the endpoint it closes all the same', async () => {
  const alone = open('http://127.0.0.1:1')
  alone.start('GET', {})?.end(answer)
  await alone.close()
  expect(counts).toMatchObject({ exported: 0, failed: 1 })
})
