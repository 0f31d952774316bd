/** Is a server really there? Each probe has it do its smallest piece of real work. */
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { KafkaSecurity } from '@ironsys/connections'
import { Kafka, logLevel } from 'kafkajs'
import { Client } from 'pg'

const PROBE_TIMEOUT_MS = 2000

/** Connects and runs a query. */
export async function probePostgres(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: PROBE_TIMEOUT_MS })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Whether an app answers its readiness with 200. `url` is its operations port's. */
export async function probeReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })
    await answer.arrayBuffer()
    return answer.status === 200
  } catch {
    return false
  }
}

/** Sends PING; a server that asks for a password is there too. `ca`: whom to trust, PEM; null: whom Node trusts. */
export function probeRedis(url: string, ca: string | null = null): Promise<boolean> {
  const { protocol, hostname, port } = new URL(url)
  const isSecure = protocol === 'rediss:'
  const target = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) }
  return new Promise((resolve) => {
    const socket = isSecure ? connectTls({ ...target, ...(ca !== null && { ca }) }) : connect(target)
    const finish = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(PROBE_TIMEOUT_MS, () => finish(false))
    socket.once('error', () => finish(false))
    socket.once('close', () => resolve(false))
    socket.once(isSecure ? 'secureConnect' : 'connect', () => socket.write('PING\r\n'))
    socket.once('data', (data) => finish(/^(\+PONG|-NOAUTH)/.test(data.toString('latin1'))))
  })
}

/** Asks for the cluster's metadata: a broker that is listed there is registered and takes requests. */
export async function probeKafka(brokers: readonly string[], security: KafkaSecurity = {}): Promise<boolean> {
  const kafka = new Kafka({
    ...security,
    clientId: 'ironsys-probe',
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    connectionTimeout: PROBE_TIMEOUT_MS,
    requestTimeout: PROBE_TIMEOUT_MS,
    retry: { retries: 0 },
  })
  const admin = kafka.admin()
  try {
    await admin.connect()
    const cluster = await admin.describeCluster()
    return cluster.brokers.length > 0 && cluster.controller !== null
  } catch {
    return false
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}
