/** A Postgres, a Redis and a Kafka of a test's own that take TLS and ask for a password. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type OwnRedis, startOwnRedis } from '@ironsys/cache/own-redis'
import {
  findFreePorts,
  LOOPBACK,
  pidPath,
  removeStack,
  startStack,
  stopStack,
  testFolder,
  writePidFile,
} from '@ironsys/local'
import { createPool } from '@ironsys/postgres'
import { type Certificates, makeCertificates } from './certificates.fixture.ts'

export const user = 'clerk'
/** With what an address would have to escape. ASCII: Java reads an argument by the locale, which a test does not know. */
export const password = 'p4ss w@rd/#%'

export interface SecureServers {
  readonly certificates: Certificates
  /** User and password are the owner's: `ironsys`. */
  readonly postgresPort: number
  readonly redisPort: number
  readonly kafkaPort: number
  close(): Promise<void>
}

export async function startSecureServers(): Promise<SecureServers> {
  const path = testFolder(process.pid)
  const [postgres = 0, redis = 0, kafka = 0, kafkaController = 0, secureRedis = 0, secureKafka = 0] =
    await findFreePorts(6)
  const certificates = await makeCertificates()
  let ownRedis: OwnRedis | null = null
  const close = async () => {
    await ownRedis?.close()
    await stopStack(path, true)
    removeStack(path)
    certificates.remove()
  }
  try {
    writePidFile(pidPath(path, 'test-run'), process.pid)
    const { addresses } = await startStack(
      {
        path,
        ports: { postgres, redis, kafka, kafkaController },
        disposable: true,
        report: () => undefined,
        signal: new AbortController().signal,
        kafka: secureKafkaOptions(path, certificates, [kafka, secureKafka, kafkaController]),
      },
      { given: { databaseUrl: null, redisUrl: null, kafkaBrokers: null }, servers: 'native' },
      ['postgres', 'kafka'],
    )
    await switchTlsOn(addresses.databaseUrl, certificates)
    ownRedis = await startSecureRedis(secureRedis, certificates)
  } catch (error) {
    await close()
    throw error
  }
  return { certificates, postgresPort: postgres, redisPort: secureRedis, kafkaPort: secureKafka, close }
}

/** The listener without TLS stays, for the probe of the start and for the broker itself. */
function secureKafkaOptions(
  folder: string,
  { certificate, key }: Certificates,
  [plain, secure, controllerPort]: readonly [number, number, number],
) {
  const pem = join(folder, 'kafka.pem')
  writeFileSync(pem, key + certificate, { mode: 0o600 })
  const listener = 'listener.name.secure'
  const modules = 'org.apache.kafka.common.security'
  const scram = `${modules}.scram.ScramLoginModule required;`
  const plainUser = `${modules}.plain.PlainLoginModule required user_${user}="${password}";`
  const addresses = (controller: string) =>
    `PLAINTEXT://${LOOPBACK}:${plain},SECURE://${LOOPBACK}:${secure}${controller}`
  return {
    settings: {
      listeners: addresses(`,CONTROLLER://${LOOPBACK}:${controllerPort}`),
      'advertised.listeners': addresses(''),
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL',
      [`${listener}.ssl.keystore.type`]: 'PEM',
      [`${listener}.ssl.keystore.location`]: pem,
      [`${listener}.sasl.enabled.mechanisms`]: 'SCRAM-SHA-256,SCRAM-SHA-512,PLAIN',
      [`${listener}.scram-sha-256.sasl.jaas.config`]: scram,
      [`${listener}.scram-sha-512.sasl.jaas.config`]: scram,
      [`${listener}.plain.sasl.jaas.config`]: plainUser,
    },
    formatArguments: ['256', '512'].flatMap((bits) => [
      '--add-scram',
      `SCRAM-SHA-${bits}=[name="${user}",password="${password}"]`,
    ]),
  }
}

/** The server writes its own key: it must belong to whom Postgres runs as. */
async function switchTlsOn(databaseUrl: string, { certificate, key }: Certificates): Promise<void> {
  const pool = createPool(databaseUrl, { applicationName: 'test', maxConnections: 1 })
  try {
    for (const [file, text] of Object.entries({ 'server.crt': certificate, 'server.key': key })) {
      const lines = `SELECT unnest(string_to_array('${text.trim()}', chr(10)))`
      await pool.query(`COPY (${lines}) TO PROGRAM 'umask 077 && cat > ${file}'`)
    }
    await pool.query('ALTER SYSTEM SET ssl = on')
    await pool.query('SELECT pg_reload_conf()')
  } finally {
    await pool.end()
  }
}

async function startSecureRedis(port: number, certificates: Certificates): Promise<OwnRedis> {
  const { caFile, certificateFile, keyFile } = certificates
  const files = ['--tls-ca-cert-file', caFile, '--tls-cert-file', certificateFile, '--tls-key-file', keyFile]
  const server = await startOwnRedis({
    args: ['--tls-port', `${port}`, '--tls-auth-clients', 'no', ...files],
  })
  const redis = await server.connected(5000)
  await redis.acl('SETUSER', user, 'on', `>${password}`, '~*', '&*', '+@all')
  return server
}
