/** Ports on the loopback address. */
import { createServer } from 'node:net'
import { LocalFault } from './faults.ts'

/** Below Linux's range for outgoing connections, so that none of these takes the port between search and use. */
const FIRST_PORT = 20_000
const LAST_PORT = 31_999
const ATTEMPTS_MAX = 200

export const LOOPBACK = '127.0.0.1'

/** True when a server could listen on the port now. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** Ports nobody listens on, all different. Somebody may still take one before it is used. */
export async function findFreePorts(count: number): Promise<readonly number[]> {
  const found = new Set<number>()
  for (let attempt = 0; attempt < ATTEMPTS_MAX && found.size < count; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1))
    if (!found.has(port) && (await isPortFree(port))) found.add(port)
  }
  if (found.size < count) throw new LocalFault('no free ports on 127.0.0.1')
  return [...found]
}

/** Throws a {@link LocalFault} that names the port when somebody else listens on it. */
export async function requireFreePort(port: number, user: string): Promise<void> {
  if (await isPortFree(port)) return
  throw new LocalFault(
    `port ${port} on ${LOOPBACK} is in use, and ${user} needs it: stop what listens there (ss -ltnp 'sport = :${port}' names it)`,
  )
}
