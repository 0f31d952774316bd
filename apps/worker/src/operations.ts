/** The operations port: metrics and health, for scrapers and orchestrators. Loopback unless configured. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { listenFault } from '@ironsys/lifecycle'

export interface OperationsDeps {
  readonly metricsText: () => Promise<string>
  readonly contentType: string
  /** What readiness says; no I/O. */
  readonly health: () => WorkerHealth
}

export interface WorkerHealth {
  /** `ready`: in all groups and every owned partition is being written. `degraded`: some partition is halted. */
  readonly status: 'starting' | 'ready' | 'degraded' | 'stopping'
  /** The state of each owned partition, by topic. */
  readonly partitions: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export interface OperationsServer {
  readonly port: number
  close(): Promise<void>
}

const REQUEST_TIMEOUT_MS = 10_000

/** Throws StartFault when the port cannot be had. */
export async function startOperations(
  host: string,
  port: number,
  deps: OperationsDeps,
): Promise<OperationsServer> {
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, body: string) =>
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body)
    const health = deps.health()
    const healthy = health.status === 'ready' || health.status === 'degraded'
    switch (request.url) {
      case '/metrics':
        deps.metricsText().then(
          (text) => answer(200, deps.contentType, text),
          () => answer(500, 'text/plain', 'metrics cannot be read\n'),
        )
        break
      case '/health/live':
        answer(200, 'application/json', '{"status":"live"}')
        break
      case '/health/ready':
        answer(healthy ? 200 : 503, 'application/json', JSON.stringify(health))
        break
      default:
        answer(404, 'text/plain', 'not found: /metrics, /health/live and /health/ready are\n')
    }
  })
  server.requestTimeout = REQUEST_TIMEOUT_MS
  server.headersTimeout = REQUEST_TIMEOUT_MS
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', (error) => reject(listenFault(error, host, port)))
  server.listen(port, host, resolve)
  await listening
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const { promise: closed, resolve: done } = Promise.withResolvers<void>()
      server.close(() => done())
      server.closeAllConnections()
      await closed
    },
  }
}
