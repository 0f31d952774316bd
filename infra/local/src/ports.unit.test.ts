import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { findFreePorts, isPortFree, LOOPBACK, requireFreePort } from './ports.ts'

test('a port that is in use is named, with who needs it', async () => {
  const [port = 0] = await findFreePorts(1)
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(port, LOOPBACK, resolve))
  expect(await isPortFree(port)).toBe(false)
  await expect(requireFreePort(port, 'Redis')).rejects.toThrow(
    new RegExp(`^port ${port} on 127.0.0.1 is in use, and Redis needs it`),
  )
  await new Promise((resolve) => server.close(resolve))
  await requireFreePort(port, 'Redis')
})

test('free ports are all different', async () => {
  const ports = await findFreePorts(20)
  expect(new Set(ports).size).toBe(20)
})
