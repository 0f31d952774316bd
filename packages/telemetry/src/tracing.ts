/**
 * Spans of answered requests, chosen at their head and sent in batches to an OTLP collector over HTTP.
 *
 *  T1  Whether a request is traced is known before anything is made for it: who comes with a `traceparent` has its
 *      caller's choice, of the others the ratio decides. One that is not chosen costs one random number.
 *  T2  Everything is bounded ({@link tracingLimits}), also what callers choose: beyond a bound spans are dropped, and counted.
 *  T3  The collector's failures are counted and logged once per outage. They are never thrown and nobody waits for them.
 */
import type { IncomingHttpHeaders } from 'node:http'
import {
  defaultTextMapGetter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import {
  type ExportResult,
  ExportResultCode,
  parseTraceParent,
  W3CTraceContextPropagator,
} from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Logger } from './logger.ts'

export const tracingLimits = {
  /** A caller may mark everything it sends as sampled. */
  spansPerSecond: 2000,
  /** Ended and not yet taken by the collector. */
  pendingSpans: 2048,
  batchSpans: 512,
  /** How long spans wait for their batch to fill. */
  batchDelayMs: 1000,
  /** Of one batch, its repeats included. */
  exportTimeoutMs: 2000,
  /** At most as many batches are under way: all that may be pending, when it closes. */
  exportsUnderWay: 5,
  /** Above `exportTimeoutMs`, so that normally everything is settled by then. */
  closeTimeoutMs: 3000,
} as const

/** What became of spans: taken by the collector, not taken by it, never offered because of a bound. */
export type SpanResult = 'exported' | 'failed' | 'dropped'

export interface TracingDeps {
  readonly logger: Logger
  readonly observe: (result: SpanResult, spans: number) => void
  readonly nowMs: () => number
  /** From 0 up to, not including, 1. */
  readonly random: () => number
}

export interface TracingOptions {
  /** `service.name` of every span. */
  readonly service: string
  readonly instanceId: string
  /** The collector's base URL; `/v1/traces` is put behind it. */
  readonly endpoint: string
  /** The share of the requests without a `traceparent` that is traced, 0 to 1; asked for each of them. */
  readonly ratio: () => number
}

export interface Answer {
  /** The route's pattern; null when none fits. Never the path, which may name a user. */
  readonly route: string | null
  readonly status: number
  readonly requestId: string
}

export interface RequestSpan {
  readonly traceId: string
  /** Once, when the answer is out or its client is gone. */
  end(answer: Answer): void
}

export interface Tracing {
  /** The span of a request that is traced, else null. */
  start(method: string, headers: IncomingHttpHeaders): RequestSpan | null
  /** Sends what is left, waits at most `closeTimeoutMs`, never throws. Spans that end later are dropped. */
  close(): Promise<void>
}

/** The trace that a caller put its request into, whether it is sampled or not. */
export function traceIdOf({ traceparent }: IncomingHttpHeaders): string | undefined {
  return typeof traceparent === 'string' ? parseTraceParent(traceparent)?.traceId : undefined
}

export function createTracing(deps: TracingDeps, options: TracingOptions): Tracing {
  const { observe, random } = deps
  const exporter = createExporter(deps, options)
  const provider = new TracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({ 'service.name': options.service, 'service.instance.id': options.instanceId }),
    ),
    // The choice is made before the tracer hears of a request (T1).
    sampler: new AlwaysOnSampler(),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: tracingLimits.pendingSpans,
        maxExportBatchSize: tracingLimits.batchSpans,
        scheduledDelayMillis: tracingLimits.batchDelayMs,
        // The exporter's own timeout comes first: every batch has exactly one result.
        exportTimeoutMillis: tracingLimits.exportTimeoutMs * 2,
      }),
    ],
  })
  const tracer = provider.getTracer('@ironsys/telemetry')
  const propagator = new W3CTraceContextPropagator()
  const admit = createRateBound(tracingLimits.spansPerSecond, deps.nowMs)
  let closed = false

  return {
    start(method, headers) {
      let context = ROOT_CONTEXT
      if (headers.traceparent !== undefined)
        context = propagator.extract(context, headers, defaultTextMapGetter)
      const parent = context === ROOT_CONTEXT ? undefined : trace.getSpanContext(context)
      const chosen = parent === undefined ? random() < options.ratio() : (parent.traceFlags & 1) === 1
      if (!chosen) return null
      if (!admit()) {
        observe('dropped', 1)
        return null
      }
      const known = methodOf(method)
      const span = tracer.startSpan(known ?? 'HTTP', { kind: SpanKind.SERVER }, context)
      return {
        traceId: span.spanContext().traceId,
        end(answer) {
          if (!closed && exporter.offer()) endSpan(span, known, answer)
          else observe('dropped', 1)
        },
      }
    },
    close() {
      closed = true
      // The provider ends with the first batch that fails; the exporter waits for all, and each has told its result.
      const settled = provider.shutdown().catch(() => exporter.shutdown())
      return within(tracingLimits.closeTimeoutMs, settled, deps.logger)
    },
  }
}

/** The stable names of OpenTelemetry's HTTP conventions, but for `url.path`: a path may name a user. */
function endSpan(span: Span, method: string | null, { route, status, requestId }: Answer): void {
  span.updateName([method ?? 'HTTP', ...(route === null ? [] : [route])].join(' '))
  span.setAttributes({
    'http.request.method': method ?? '_OTHER',
    'url.scheme': 'http',
    'http.response.status_code': status,
    'http.response.header.x-request-id': [requestId],
    ...(route !== null && { 'http.route': route }),
    ...(status >= 500 && { 'error.type': String(status) }),
  })
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'])

/** Null for the many others that HTTP knows: names of spans are few. */
function methodOf(method: string): string | null {
  return methods.has(method) ? method : null
}

interface BoundedExporter extends SpanExporter {
  /** Takes one more span into account; false when as many as may be are pending. */
  offer(): boolean
}

function createExporter({ logger, observe }: TracingDeps, { endpoint }: TracingOptions): BoundedExporter {
  const url = `${endpoint.replace(/\/+$/, '')}/v1/traces`
  const otlp = new OTLPTraceExporter({
    url,
    timeoutMillis: tracingLimits.exportTimeoutMs,
    concurrencyLimit: tracingLimits.exportsUnderWay,
  })
  let pending = 0
  let failing = false
  const settle = (spans: number, { code, error }: ExportResult) => {
    pending -= spans
    const failed = code !== ExportResultCode.SUCCESS
    observe(failed ? 'failed' : 'exported', spans)
    if (failed && !failing) logger.warn({ err: error }, 'spans cannot be exported; going on without them')
    if (!failed && failing) logger.info('spans are exported again')
    failing = failed
  }
  return {
    offer() {
      if (pending >= tracingLimits.pendingSpans) return false
      pending++
      return true
    },
    export(spans: ReadableSpan[], done) {
      otlp.export(spans, (result) => {
        settle(spans.length, result)
        done(result)
      })
    },
    shutdown: () => otlp.shutdown(),
  }
}

/** At most `most` in each second of the clock. */
function createRateBound(most: number, nowMs: () => number): () => boolean {
  let second = 0
  let count = 0
  return () => {
    const now = Math.floor(nowMs() / 1000)
    if (now !== second) count = 0
    second = now
    return ++count <= most
  }
}

async function within(timeoutMs: number, closing: Promise<unknown>, logger: Logger): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(() => late.reject(new Error('the collector is too slow')), timeoutMs)
  try {
    await Promise.race([closing, late.promise])
  } catch (err) {
    logger.warn({ err }, 'the last spans could not be exported')
  } finally {
    clearTimeout(timer)
  }
}
