/** Kafka, read by this package, under the contract that its twin keeps. Written by plain kafkajs. */
import { randomUUID } from 'node:crypto'
import type { PartitionLog } from '@ironsys/engine'
import { logContract, type ReaderUnderTest } from '@ironsys/testing/contract-suites'
import kafkajs from 'kafkajs'
import { createCommandConsumer } from './consumer.ts'
import { directSettings, makeTopic } from './log-under-test.ts'

/** Not the first: what happens to the others must not matter. */
const PARTITION = 1

logContract(async () => {
  const topic = await makeTopic(2)
  const { brokers } = directSettings()
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
  const [producer, admin] = [kafka.producer(), kafka.admin()]
  await Promise.all([producer.connect(), admin.connect()])
  return {
    append: async (value, key = null) => {
      const [written] = await producer.send({
        topic,
        acks: -1,
        messages: [{ key, value, partition: PARTITION }],
      })
      return { offset: Number(written?.baseOffset), timeMs: Number(written?.logAppendTime) }
    },
    removeBefore: async (offset) => {
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({
        topic,
        partitions: [{ partition: PARTITION, offset: String(offset) }],
      })
    },
    reader: () => readerOf(topic),
    close: async () => {
      await Promise.all([producer.disconnect(), admin.disconnect()])
    },
  }
})

/** A group of its own: it gets every partition as soon as it has joined. */
async function readerOf(topic: string): Promise<ReaderUnderTest> {
  const assigned = Promise.withResolvers<PartitionLog>()
  const consumer = createCommandConsumer(
    { ...directSettings(), groupId: `group-${randomUUID()}`, topic },
    {
      assigned: (log, partition) => {
        if (partition === PARTITION) assigned.resolve(log)
      },
      revoked: () => {},
      crashed: assigned.reject,
    },
  )
  await consumer.start()
  return { log: await assigned.promise, revoke: () => consumer.close() }
}
