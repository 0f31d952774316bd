/** What is said of an append whose deadline comes before a connection does. */
import { LogUnavailableError } from '@ironsys/engine'
import { expect, test } from 'vitest'
import type { ProduceLink } from './produce-link.ts'
import { createProducerOn } from './producer.ts'
import { defaultProducerOptions } from './producer-options.ts'

test('what still waits for a connection at its deadline is not sent, and known not to be', async () => {
  const connection = Promise.withResolvers<void>()
  let sent = 0
  const link: ProduceLink = {
    connect: () => connection.promise,
    send: async ([topic]) => {
      sent += topic?.messages.length ?? 0
      return [{ topicName: 'any', partition: 0, errorCode: 0, baseOffset: '0', logAppendTime: '0' }]
    },
    produceRequests: () => sent,
    close: async () => {},
  }
  const producer = createProducerOn(link, {
    ...defaultProducerOptions,
    deadlineMs: 100,
    requestTimeoutMs: 50,
  })
  const early = producer.append({ topic: 'any', partition: 0 }, 'k', 'early')
  await expect(early).rejects.toBeInstanceOf(LogUnavailableError)
  const late = producer.append({ topic: 'any', partition: 0 }, 'k', 'late')
  connection.resolve()
  await late
  expect(sent).toBe(1)
  await producer.close()
})
