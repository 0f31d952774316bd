/** Debian's nginx with the example's configuration, in front of an API of the test's. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePorts, LOOPBACK, launch, obtainProgram, tailOf, waitReady } from '@ironsys/local'

export interface Nginx {
  readonly url: string
  log(): string
  stop(): Promise<void>
}

/** The request header by which a test is many clients. */
export const CLIENT = 'x-test-client'

const READY_DEADLINE_MS = 20_000
const example = readFileSync(new URL('./nginx.conf', import.meta.url), 'utf8')

/** `apiUrl`: what stands behind it. */
export async function startNginx(apiUrl: string): Promise<Nginx> {
  const report = (line: string) => void process.stderr.write(`${line}\n`)
  const program = await obtainProgram('nginx', { what: 'nginx', packages: ['nginx-light', 'nginx'] }, report)
  const folder = mkdtempSync(join(tmpdir(), 'ironsys-nginx-'))
  const [port = 0] = await findFreePorts(1)
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, configuration(folder, port, new URL(apiUrl).host))
  // Who is not root is told that `user` means nothing.
  const settings = `daemon off; user root; pid ${join(folder, 'nginx.pid')};`
  const running = await launch({
    name: 'nginx',
    command: program,
    args: ['-p', folder, '-e', 'stderr', '-c', file, '-g', settings],
    folder,
    signal: new AbortController().signal,
  })
  const url = `http://${LOOPBACK}:${port}`
  const stop = async () => {
    // At once; SIGQUIT would wait for streams.
    if (!running.hasExited()) process.kill(running.pid, 'SIGTERM')
    await running.exited
    rmSync(folder, { recursive: true })
  }
  try {
    await waitReady(running, () => answers(url), READY_DEADLINE_MS, new AbortController().signal)
  } catch (error) {
    await stop()
    throw error
  }
  return { url, log: () => tailOf(running.logPath), stop }
}

/** The example, with the addresses and folders of this test; who asks is whoever the header {@link CLIENT} says. */
function configuration(folder: string, port: number, api: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${join(folder, kind)};`)
    .join(' ')
  const changes: readonly (readonly [string, string])[] = [
    ['listen 8080;', `listen ${LOOPBACK}:${port}; set_real_ip_from ${LOOPBACK}; real_ip_header ${CLIENT};`],
    ['server 127.0.0.1:8000;', `server ${api};`],
    ['/var/cache/nginx/ironsys', join(folder, 'cache')],
    ['http {', `http {\n  ${temporary}`],
  ]
  return changes.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`nginx.conf does not have "${from}" once`)
    return text.replace(from, to)
  }, example)
}

async function answers(url: string): Promise<boolean> {
  return fetch(`${url}/health/live`).then(
    () => true,
    () => false,
  )
}
