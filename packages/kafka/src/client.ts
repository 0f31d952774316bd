/** How every kafkajs client of this package is made. */
import type { KafkaSecurity } from '@ironsys/connections'
import { Kafka, type LogEntry, logLevel } from 'kafkajs'
import type { SocketFactory } from './sockets.ts'

/** Takes the event's data first and its text second, as pino does. */
export interface KafkaLogger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Says nothing: for programs that report in their own way. */
export const silentLogger: KafkaLogger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
}

export interface KafkaSettings {
  /** `host:port` of one or more brokers; the others are learned from them. */
  readonly brokers: readonly string[]
  /** Names this process in the broker's logs and quotas. */
  readonly clientId: string
  readonly logger: KafkaLogger
  /** TLS and credentials; neither when absent. */
  readonly security?: KafkaSecurity
  /** How connections are opened; straight to the broker when absent. */
  readonly socketFactory?: SocketFactory
}

export interface ClientOptions {
  readonly requestTimeoutMs: number
  /** kafkajs's own attempts after the first. */
  readonly retries: number
  readonly socketFactory: SocketFactory
}

const CONNECTION_TIMEOUT_MS = 1000

/** The first wait and the longest between kafkajs's own attempts, where it makes any. */
const INITIAL_RETRY_MS = 100
const MAX_RETRY_MS = 1000

export function createClient(settings: KafkaSettings, options: ClientOptions): Kafka {
  return new Kafka({
    ...settings.security,
    brokers: [...settings.brokers],
    clientId: settings.clientId,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: options.requestTimeoutMs,
    retry: { retries: options.retries, initialRetryTime: INITIAL_RETRY_MS, maxRetryTime: MAX_RETRY_MS },
    socketFactory: options.socketFactory,
    logLevel: logLevel.INFO,
    // kafkajs reports one lost connection as several errors. What matters of it, this package reports itself.
    logCreator: () => (entry) => settings.logger.debug(fieldsOf(entry), `kafkajs: ${entry.log.message}`),
  })
}

function fieldsOf({ namespace, label, log }: LogEntry): object {
  const { message, timestamp, stack, logger, ...fields } = log
  return { ...fields, namespace, label }
}

/** The innermost error: kafkajs wraps what went wrong, sometimes twice. */
export function rootCause(error: unknown): unknown {
  let cause = error
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause
  return cause
}

/** Kafka's name of the error a broker answered with, such as `NOT_LEADER_FOR_PARTITION`; null when it was none. */
export function brokerErrorType(error: unknown): string | null {
  const cause = rootCause(error)
  return cause instanceof Error && 'type' in cause && typeof cause.type === 'string' ? cause.type : null
}

/** `host:port` of the broker that an error names. */
export function brokerOf(error: unknown): string | undefined {
  const cause = rootCause(error)
  return cause instanceof Error && 'broker' in cause && typeof cause.broker === 'string'
    ? cause.broker
    : undefined
}

export function isRequestTimeout(error: unknown): boolean {
  const cause = rootCause(error)
  return cause instanceof Error && cause.name === 'KafkaJSRequestTimeoutError'
}

/** An error in a line: what a log or an operator needs of it. */
export function reasonOf(error: unknown): string {
  const cause = rootCause(error)
  if (!(cause instanceof Error)) return String(cause)
  const type = brokerErrorType(cause)
  return type === null ? cause.message : `${type}: ${cause.message}`
}

/** Resolves when `work` has ended, however, or after `timeoutMs`; says which. Never rejects. */
export async function endedWithin(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs)
  })
  try {
    return await Promise.race([
      work.then(
        () => true,
        () => true,
      ),
      timeout,
    ])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves after `delayMs`, or at once when `signal` aborts. */
export function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, delayMs)
    signal.addEventListener('abort', done)
  })
}
