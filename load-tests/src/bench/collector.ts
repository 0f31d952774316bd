/** A collector of spans that throws them away, so that tracing costs here what it costs in production. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { LOOPBACK } from '@ironsys/local'

export interface DiscardingCollector {
  readonly endpoint: string
  /** What it was sent so far. */
  bytes(): number
  close(): Promise<void>
}

export async function startCollector(): Promise<DiscardingCollector> {
  let bytes = 0
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end())
  })
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    endpoint: `http://${LOOPBACK}:${port}`,
    bytes: () => bytes,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
