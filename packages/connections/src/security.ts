/**
 * TLS and credentials of the connections to Postgres, Redis and Kafka, as the environment gives them: one reading of it for
 * every program. Postgres has its own in DATABASE_URL (`sslmode`, `sslrootcert`), which its client reads.
 *
 * No message here repeats a value: addresses and passwords are secrets.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** What kafkajs takes of it. */
export interface KafkaSecurity {
  /** TLS with the certificate and the name checked: against `ca` (PEM), or whom Node trusts. Absent: none. */
  readonly ssl?: { readonly ca?: string }
  readonly sasl?: Credentials[Mechanism]
}

type Mechanism = 'scram-sha-256' | 'scram-sha-512' | 'plain'
type Credentials = { [M in Mechanism]: { mechanism: M; username: string; password: string } }

const yesOrNo = z.enum(['yes', 'no']).default('no')

/** The path of a file with PEM certificates, read at once: their text. Empty: none, and Node's own are trusted. */
const caFile = z
  .string()
  .default('')
  .transform((path, { addIssue }) => {
    if (path === '') return null
    const read = readCertificates(path)
    if (read.fault === null) return read.pem
    addIssue({ code: 'custom', message: read.fault })
    return z.NEVER
  })

/** Part of a zod object. What fits together and what is safe {@link securityFaults} says. */
export const securityEnvironment = {
  REDIS_CA_FILE: caFile,
  KAFKA_TLS: yesOrNo,
  KAFKA_CA_FILE: caFile,
  KAFKA_SASL_MECHANISM: z.enum(['', 'scram-sha-256', 'scram-sha-512', 'plain']).default(''),
  KAFKA_USERNAME: z.string().default(''),
  KAFKA_PASSWORD: z.string().default(''),
  /** For a network that is trusted by other means. */
  ALLOW_PLAINTEXT_PASSWORDS: yesOrNo,
}

export type SecurityEnvironment = z.infer<z.ZodObject<typeof securityEnvironment>>

/** What is looked at beside it; an address that is not given has no faults. */
interface Addresses {
  readonly NODE_ENV?: string | undefined
  readonly DATABASE_URL?: string | undefined
  /** Of a cluster several, with commas. */
  readonly REDIS_URL?: string | undefined
  readonly KAFKA_BROKERS?: readonly string[] | undefined
}

export interface SecurityFault {
  readonly path: [name: string]
  readonly message: string
}

/** Everything that does not fit together, and every password that production would send over a network in the open. */
export function securityFaults(values: SecurityEnvironment & Addresses): readonly SecurityFault[] {
  return [...postgresFaults(values), ...redisFaults(values), ...kafkaFaults(values)]
}

export function kafkaSecurity(values: SecurityEnvironment): KafkaSecurity {
  const { KAFKA_TLS, KAFKA_CA_FILE: ca, KAFKA_SASL_MECHANISM: mechanism } = values
  return {
    ...(KAFKA_TLS === 'yes' && { ssl: ca === null ? {} : { ca } }),
    ...(mechanism !== '' && {
      sasl: { mechanism, username: values.KAFKA_USERNAME, password: values.KAFKA_PASSWORD },
    }),
  }
}

type Values = SecurityEnvironment & Addresses

function postgresFaults(values: Values): readonly SecurityFault[] {
  // What is no URL its own field says already: zod looks further.
  const url = URL.parse(values.DATABASE_URL ?? '')
  if (url === null) return []
  // As pg reads it: a parameter's last value counts, and host and password may be parameters.
  const parameter = (name: string) => url.searchParams.getAll(name).at(-1) ?? ''
  const faults: SecurityFault[] = []
  const caPath = parameter('sslrootcert')
  const caFault = caPath === '' ? null : readCertificates(caPath).fault
  if (caFault !== null) faults.push(fault('DATABASE_URL', `sslrootcert ${caFault}`))
  const isVerified = parameter('sslmode') === 'verify-full'
  const password = parameter('password') || url.password
  const host = parameter('host') || url.hostname
  if (!isVerified && password !== '' && isRefused(values, host)) {
    faults.push(fault('DATABASE_URL', inTheOpen('add sslmode=verify-full')))
  }
  return faults
}

/** TLS, user and password of the first node hold for all, as the client has it. */
function redisFaults(values: Values): readonly SecurityFault[] {
  const urls = (values.REDIS_URL ?? '').split(',').flatMap((text) => URL.parse(text) ?? [])
  const [first] = urls
  if (first === undefined) return []
  const isTls = first.protocol === 'rediss:'
  const faults: SecurityFault[] = []
  if (!isTls && values.REDIS_CA_FILE !== null) {
    faults.push(fault('REDIS_CA_FILE', 'is for TLS: REDIS_URL must be rediss://'))
  }
  const hasPassword = first.password !== '' || first.searchParams.has('password')
  if (!isTls && hasPassword && urls.some(({ hostname }) => isRefused(values, hostname))) {
    faults.push(fault('REDIS_URL', inTheOpen('make it rediss://')))
  }
  return faults
}

function kafkaFaults(values: Values): readonly SecurityFault[] {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_USERNAME, KAFKA_PASSWORD, KAFKA_BROKERS = [] } = values
  const isTls = values.KAFKA_TLS === 'yes'
  const faults: SecurityFault[] = []
  if (!isTls && values.KAFKA_CA_FILE !== null) {
    faults.push(fault('KAFKA_CA_FILE', 'is for TLS: it needs KAFKA_TLS=yes'))
  }
  for (const [name, text] of Object.entries({ KAFKA_USERNAME, KAFKA_PASSWORD })) {
    if (mechanism !== '' && text === '') faults.push(fault(name, 'is needed with KAFKA_SASL_MECHANISM'))
    if (mechanism === '' && text !== '') faults.push(fault(name, 'needs KAFKA_SASL_MECHANISM'))
  }
  if (isTls || mechanism === '') return faults
  if (mechanism === 'plain') {
    faults.push(
      fault('KAFKA_SASL_MECHANISM', 'is plain, which sends the password as it is: it needs KAFKA_TLS=yes'),
    )
  } else if (KAFKA_BROKERS.some((broker) => isRefused(values, broker.slice(0, broker.lastIndexOf(':'))))) {
    faults.push(fault('KAFKA_TLS', inTheOpen('set KAFKA_TLS=yes')))
  }
  return faults
}

/** Whether a password may not go to this host without TLS. */
function isRefused({ NODE_ENV, ALLOW_PLAINTEXT_PASSWORDS }: Values, host: string): boolean {
  return NODE_ENV === 'production' && ALLOW_PLAINTEXT_PASSWORDS === 'no' && !isThisMachine(host)
}

/** A loopback address, or the folder of a Unix socket. */
function isThisMachine(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?|\/.*|%2f.*|)$/i.test(host)
}

function inTheOpen(remedy: string): string {
  return `would send a password over the network without verified TLS, which production refuses: ${remedy}, or ALLOW_PLAINTEXT_PASSWORDS=yes`
}

function fault(name: string, message: string): SecurityFault {
  return { path: [name], message }
}

/** The text of a PEM file, or what is wrong with it; never its path, which may be part of a URL with a password. */
function readCertificates(path: string): { pem: string; fault: null } | { pem: null; fault: string } {
  try {
    const pem = readFileSync(path, 'utf8')
    // Of a file without certificates TLS would only say, at each connection, that nobody is trusted.
    new X509Certificate(pem)
    return { pem, fault: null }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    const isUnread = /^E[A-Z]+$/.test(code) && !code.startsWith('ERR')
    return {
      pem: null,
      fault: isUnread
        ? `names a file that cannot be read (${code})`
        : 'names a file without PEM certificates',
    }
  }
}
