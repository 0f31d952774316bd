/** The simulated Kafka is held to the contract that the real one passes, through the same adapter. */
import { setImmediate as turnOfEventLoop } from 'node:timers/promises'
import { topics } from '@ironsys/contracts'
import type { PartitionLog } from '@ironsys/engine'
import { createConsumerOn, silentLogger } from '@ironsys/kafka'
import { type LogUnderTest, logContract } from '../contract-suites/index.ts'
import { ConsumerGroup } from './consumer-group.ts'
import { LogCluster } from './log-cluster.ts'
import { createRandom } from './random.ts'
import { type Actor, Timeline } from './timeline.ts'

const topic = topics.reservationCommands
const process: Actor = { name: 'test', clockSkewMs: 0, state: 'running' }

logContract(async (): Promise<LogUnderTest> => {
  const timeline = new Timeline(createRandom(1), null)
  const cluster = new LogCluster(timeline, 1, () => {})
  cluster.odd = { redelivered: 0, hole: 0, crash: 0 }
  let open = true
  const passTime = async (): Promise<void> => {
    while (open) {
      await timeline.step()
      await turnOfEventLoop()
    }
  }
  const time = passTime()
  return {
    append: async (value, key = null) => {
      // Straight to the broker: the edge writes neither keys nor values that are null or not text.
      const offset = cluster.append(topic, 0, key, value)
      return { offset, timeMs: cluster.log(topic, 0).records.at(-1)?.timeMs ?? 0 }
    },
    removeBefore: async (offset) => cluster.log(topic, 0).removeBefore(offset),
    reader: async () => {
      const assigned = Promise.withResolvers<PartitionLog>()
      const consumer = createConsumerOn(
        cluster.connection(process, topic, new ConsumerGroup(timeline, 1)),
        { topic, logger: silentLogger },
        { assigned: assigned.resolve, revoked: () => {}, crashed: assigned.reject },
      )
      await consumer.start()
      return { log: await assigned.promise, revoke: () => consumer.close() }
    },
    close: async () => {
      open = false
      await time
    },
  }
})
