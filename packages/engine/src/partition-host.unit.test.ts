import type { PartitionLog, PartitionWriter, WriterEnding } from '@ironsys/engine'
import { expect, test, vi } from 'vitest'
import { createPartitionHost } from './partition-host.ts'

const log: PartitionLog = {
  bounds: async () => ({ low: 0, high: 0 }),
  seek: () => {},
  next: async () => null,
  acknowledge: () => {},
}

function world() {
  const started: { partition: number; end: (how: WriterEnding) => void; closed: boolean; ended: boolean }[] =
    []
  const faults: string[] = []
  const rejoins: PromiseWithResolvers<void>[] = []
  const host = createPartitionHost({
    startWriter: (partition): PartitionWriter => {
      const { promise, resolve } = Promise.withResolvers<WriterEnding>()
      const writer = {
        partition,
        closed: false,
        ended: false,
        end: (how: WriterEnding) => {
          writer.ended = true
          resolve(how)
        },
      }
      started.push(writer)
      const close = async () => {
        writer.closed = true
        await promise
      }
      return { id: { topic: 't', partition }, ended: promise, close }
    },
    rejoin: () => {
      const rejoin = Promise.withResolvers<void>()
      rejoins.push(rejoin)
      return rejoin.promise
    },
    fault: (error) => void faults.push(String(error)),
  })
  return { host, started, faults, rejoins }
}

test('a partition that comes back gets its new writer only when the old one has ended', async () => {
  const { host, started, faults } = world()
  host.assigned(log, 3)
  await vi.waitFor(() => expect(started).toHaveLength(1))
  host.revoked(3)
  host.assigned(log, 3)
  await vi.waitFor(() => expect(started[0]?.closed).toBe(true))
  expect(started).toHaveLength(1)
  started[0]?.end('closed')
  await vi.waitFor(() => expect(started).toHaveLength(2))
  expect(started[0]?.ended).toBe(true)
  expect(faults).toEqual([])
})

test('a fenced writer makes the process rejoin, once for all, and again for one that is fenced meanwhile', async () => {
  const { host, started, rejoins } = world()
  for (const partition of [0, 1, 2]) host.assigned(log, partition)
  await vi.waitFor(() => expect(started).toHaveLength(3))
  started[0]?.end('fenced')
  await vi.waitFor(() => expect(rejoins).toHaveLength(1))
  started[1]?.end('fenced')
  started[2]?.end('fenced')
  await vi.waitFor(() => expect(started.every((writer) => writer.ended)).toBe(true))
  rejoins[0]?.resolve()
  await vi.waitFor(() => expect(rejoins).toHaveLength(2))
  rejoins[1]?.resolve()
})

test('a writer that ends unasked is a fault, and the process rejoins', async () => {
  const { host, started, faults, rejoins } = world()
  host.assigned(log, 0)
  await vi.waitFor(() => expect(started).toHaveLength(1))
  started[0]?.end('closed')
  await vi.waitFor(() => expect(rejoins).toHaveLength(1))
  expect(faults.join()).toContain('unasked')
})

test('a halted writer neither rejoins nor ends the others', async () => {
  const { host, started, rejoins } = world()
  host.assigned(log, 0)
  host.assigned(log, 1)
  await vi.waitFor(() => expect(started).toHaveLength(2))
  started[0]?.end('halted')
  const closing = host.close()
  await vi.waitFor(() => expect(started[1]?.closed).toBe(true))
  started[1]?.end('closed')
  await closing
  expect(rejoins).toHaveLength(0)
})
