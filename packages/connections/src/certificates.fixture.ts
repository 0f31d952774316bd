/** Certificates for servers on 127.0.0.1, made by openssl when they are needed. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { obtainProgram, run } from '@ironsys/local'

export interface Certificates {
  /** Signed {@link Certificates.certificate}. */
  readonly caFile: string
  /** Signed nothing that a server has. */
  readonly strangerFile: string
  readonly certificateFile: string
  readonly keyFile: string
  readonly certificate: string
  readonly key: string
  remove(): void
}

/** For 127.0.0.1 and no other name. */
export async function makeCertificates(): Promise<Certificates> {
  const openssl = await obtainProgram('openssl', { what: 'openssl', packages: ['openssl'] }, () => undefined)
  const folder = mkdtempSync(join(tmpdir(), 'ironsys-tls-'))
  const make = async (name: string, args: readonly string[]) => {
    const [keyFile, certificateFile] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)]
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile]
    const certificate = ['-x509', '-days', '2', '-subj', `/CN=${name}`, '-out', certificateFile]
    const outcome = await run(openssl, ['req', ...key, ...certificate, ...args])
    if (outcome.code !== 0) throw new Error(outcome.output)
    return { keyFile, certificateFile }
  }
  const ca = await make('authority', [])
  const stranger = await make('stranger', [])
  const issued = ['-CA', ca.certificateFile, '-CAkey', ca.keyFile]
  const names = ['-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'subjectAltName=IP:127.0.0.1']
  const server = await make('server', [...issued, ...names])
  return {
    caFile: ca.certificateFile,
    strangerFile: stranger.certificateFile,
    ...server,
    certificate: readFileSync(server.certificateFile, 'utf8'),
    key: readFileSync(server.keyFile, 'utf8'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
