/** A worker sends events, follow-ups and wakes with one producer. */
import { expect, test } from 'vitest'
import type { ProduceLink } from './produce-link.ts'
import { createProducerOn } from './producer.ts'

test('an append does not wait for what is sent in order and not answered, however much that is', async () => {
  const blocked = Promise.withResolvers<void>()
  const link: ProduceLink = {
    connect: async () => {},
    send: async (topicMessages) => {
      const [topic] = topicMessages
      if (topic?.topic === 'events') await blocked.promise
      return topicMessages.flatMap(({ topic: topicName, messages }) =>
        messages.map(({ partition = 0 }) => {
          return { topicName, partition, errorCode: 0, baseOffset: '7', logAppendTime: '9' }
        }),
      )
    },
    produceRequests: () => 0,
    close: async () => {},
  }
  const producer = createProducerOn(link)
  const sends = Array.from({ length: 24 }, (_, partition) =>
    producer.send([{ topic: 'events', partition, key: 'k', value: 'v' }]),
  )
  expect(await producer.append({ topic: 'commands', partition: 0 }, 'k', 'wake')).toEqual({
    offset: 7,
    timeMs: 9,
  })
  blocked.resolve()
  await Promise.all(sends)
  await producer.close()
})
