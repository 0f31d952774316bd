/** JSON lines on stdout: one object per event, with secrets taken out before they are written. */
import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino'

export type { Logger } from 'pino'
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

export interface LoggerOptions {
  /** The process: `api`, `worker`, `cli`. */
  readonly name: string
  readonly level: LogLevel
  /** Where lines go; stdout when absent. */
  readonly destination?: DestinationStream
}

/** Fields that never reach the log, at the top of the logged object or up to two levels down. */
export const redactedFields = [
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'key',
  'idKey',
  'cursorKeys',
  'apiKey',
  'x-api-key',
  'proxy-authorization',
  'token',
  'secret',
  'JWT_SHARED_KEY',
  'ID_KEY',
  'CURSOR_KEYS',
  'DATABASE_URL',
  'REDIS_URL',
  'KAFKA_PASSWORD',
] as const

/** A logger for one process. Log errors under `err`; give the event's data as fields, not inside the message. */
export function createLogger({ name, level, destination }: LoggerOptions): Logger {
  const options = {
    name,
    level,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: redactedFields.flatMap(pathsOf), censor: '[redacted]' },
    serializers: { err: serializeError, error: serializeError },
    hooks: { streamWrite: withoutSecrets },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

function pathsOf(field: string): string[] {
  return [`["${field}"]`, `*["${field}"]`, `*.*["${field}"]`]
}

/** pino's own serializer (type, message, stack, causes), without the passwords that connection URLs carry. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { type, message, stack } = stdSerializers.err(error)
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  return { type, message: withoutCredentials(message), stack: withoutCredentials(stack), ...code }
}

/**
 * The last look at a whole line: a token, an API key or a URL's password in it, whatever its field and whoever put it there,
 * is cut out. The first two are known by their beginnings: an API key's by ours, a JWT's by that of a JSON object in
 * base64url.
 */
function withoutSecrets(text: string): string {
  const line = text.includes('://') ? withoutCredentials(text) : text
  return line.includes('iron_') || line.includes('eyJ') ? line.replaceAll(tokenPattern, '[redacted]') : line
}

const tokenPattern = /\beyJ[\w-]{5,}\.[\w-]*(\.[\w-]*)?|\biron_[0-9a-f]{16}_[\w-]{43}/g

function withoutCredentials(text: string): string {
  return text.replaceAll(/:\/\/[^\s/"]*@/g, '://[redacted]@')
}
