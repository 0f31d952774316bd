/** A collector for tests: takes OTLP over HTTP (protobuf) and keeps the spans. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'

export interface ReceivedSpan {
  readonly traceId: string
  readonly parentSpanId: string
  readonly name: string
  /** 2 is SERVER. */
  readonly kind: number
  /** 0 unset, 2 ERROR. */
  readonly status: number
  readonly service: string
  readonly attributes: Readonly<Record<string, unknown>>
}

export interface Collector {
  readonly endpoint: string
  readonly spans: readonly ReceivedSpan[]
  readonly paths: ReadonlySet<string>
  /** What it answers from now on; null: nothing at all. */
  answer: number | null
  close(): Promise<void>
}

export async function startCollector(): Promise<Collector> {
  const spans: ReceivedSpan[] = []
  const paths = new Set<string>()
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    paths.add(request.url ?? '')
    if (collector.answer === null) return
    if (collector.answer === 200) spans.push(...readSpans(Buffer.concat(chunks)))
    response.writeHead(collector.answer, { 'content-type': 'application/x-protobuf' }).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const collector: Collector = {
    endpoint: `http://127.0.0.1:${port}`,
    spans,
    paths,
    answer: 200,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return collector
}

/** ExportTraceServiceRequest of opentelemetry/proto/collector/trace/v1, as far as the tests look. */
function readSpans(bytes: Buffer): ReceivedSpan[] {
  return messages(bytes, 1).flatMap((resourceSpans) => {
    const resource = attributesOf(messages(resourceSpans, 1).flatMap((each) => messages(each, 1)))
    const scopes = messages(resourceSpans, 2)
    return scopes
      .flatMap((scope) => messages(scope, 2))
      .map((span) => ({
        traceId: one(span, 1).toString('hex'),
        parentSpanId: one(span, 4).toString('hex'),
        name: one(span, 5).toString(),
        kind: number(span, 6),
        status: number(one(span, 15), 3),
        service: String(resource['service.name']),
        attributes: attributesOf(messages(span, 9)),
      }))
  })
}

function attributesOf(pairs: readonly Buffer[]): Record<string, unknown> {
  return Object.fromEntries(pairs.map((pair) => [one(pair, 1).toString(), readValue(one(pair, 2))]))
}

function readValue(value: Buffer): unknown {
  const [list] = messages(value, 5)
  if (list !== undefined) return messages(list, 1).map(readValue)
  const [text] = messages(value, 1)
  return text === undefined ? number(value, 3) : text.toString()
}

interface Field {
  readonly field: number
  readonly value: Buffer | number
}

/** Protobuf's wire format: varints, length-delimited, and fixed widths, which are left out. */
function* fields(bytes: Buffer): Generator<Field> {
  let at = 0
  const varint = () => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++] ?? 0
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    const [field, type] = [tag >>> 3, tag & 7]
    if (type === 0) yield { field, value: varint() }
    else if (type === 1) at += 8
    else if (type === 5) at += 4
    else {
      const length = varint()
      yield { field, value: bytes.subarray(at, at + length) }
      at += length
    }
  }
}

function messages(bytes: Buffer, wanted: number): Buffer[] {
  return [...fields(bytes)].flatMap(({ field, value }) =>
    field === wanted && typeof value !== 'number' ? [value] : [],
  )
}

function one(bytes: Buffer, wanted: number): Buffer {
  return messages(bytes, wanted)[0] ?? Buffer.alloc(0)
}

function number(bytes: Buffer, wanted: number): number {
  const found = [...fields(bytes)].find(({ field, value }) => field === wanted && typeof value === 'number')
  return typeof found?.value === 'number' ? found.value : 0
}
