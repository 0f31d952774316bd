/** Topics and offsets: what start-up, health checks and lag tools need of the cluster. */
import { LogIdentityError, LogUnavailableError } from '@ironsys/engine'
import kafkajs, { type Admin, type DescribeConfigResponse } from 'kafkajs'
import { brokerErrorType, createClient, endedWithin, type KafkaSettings, pause, reasonOf } from './client.ts'
import { type SocketWatch, watchSockets } from './sockets.ts'

export interface TopicPlan {
  readonly topic: string
  readonly partitions: number
  /** Topic settings by Kafka's names; what is not named here is left as it is. */
  readonly settings: Readonly<Record<string, string>>
  /** Only used when the topic is made; the broker's default when absent. */
  readonly replicationFactor?: number
}

export interface TopicDescription {
  readonly clusterId: string
  readonly partitions: number
}

export interface PartitionBounds {
  /** The first offset still kept. */
  readonly low: number
  /** The offset that the next record will get. */
  readonly high: number
}

/** All of it throws LogUnavailableError when the cluster does not answer. */
export interface LogAdmin {
  /**
   * Makes the topics that are missing and brings the settings of the others in line. Throws LogIdentityError when an
   * existing topic has another number of partitions: that is never changed here, it would move keys between writers.
   */
  ensureTopics(plans: readonly TopicPlan[]): Promise<void>
  /** Null when the topic does not exist. */
  describe(topic: string): Promise<TopicDescription | null>
  /** By partition. */
  offsets(topic: string): Promise<ReadonlyMap<number, PartitionBounds>>
  /** The group's committed offset by partition; a partition without one is left out. */
  groupOffsets(groupId: string, topic: string): Promise<ReadonlyMap<number, number>>
  close(): Promise<void>
}

interface Client {
  readonly admin: Admin
  readonly sockets: SocketWatch
  readonly connected: Promise<void>
}

const REQUEST_TIMEOUT_MS = 5000
const RETRIES = 3
const DISCONNECT_TIMEOUT_MS = 1000
/** How long a broker may take to make a topic known everywhere. */
const CREATE_TIMEOUT_MS = 15_000
const SERVED_POLL_INTERVAL_MS = 50

/**
 * What a process checks before it uses a topic. Throws LogIdentityError, with a line for the operator, when the topic
 * is missing or has another number of partitions: the number decides which writer a key belongs to.
 */
export async function requireTopic(
  admin: LogAdmin,
  topic: string,
  partitions: number,
): Promise<TopicDescription> {
  const found = await admin.describe(topic)
  if (found === null)
    throw new LogIdentityError(`topic ${topic} is missing; make it with: make create-topics`)
  if (found.partitions === partitions) return found
  throw new LogIdentityError(
    `topic ${topic} has ${found.partitions} partitions, but PARTITIONS is ${partitions}; changing the number moves ` +
      'keys between writers and is a migration',
  )
}

/** Connects at its first use, and anew after a failure. */
export function createLogAdmin(settings: KafkaSettings): LogAdmin {
  let client: Client | null = null

  const open = (): Client => {
    const sockets = watchSockets(settings.socketFactory)
    const options = { requestTimeoutMs: REQUEST_TIMEOUT_MS, retries: RETRIES, socketFactory: sockets.factory }
    const admin = createClient(settings, options).admin()
    return { admin, sockets, connected: admin.connect() }
  }
  const close = async (): Promise<void> => {
    const closing = client
    client = null
    if (closing === null) return
    await endedWithin(closing.admin.disconnect(), DISCONNECT_TIMEOUT_MS)
    closing.sockets.close()
  }
  const call = async <T>(what: string, work: (admin: Admin) => Promise<T>): Promise<T> => {
    client ??= open()
    try {
      await client.connected
      return await work(client.admin)
    } catch (error) {
      if (error instanceof LogIdentityError) throw error
      // kafkajs's admin does not always get over a lost connection: the next call starts afresh.
      await close()
      throw new LogUnavailableError(`${what}: ${reasonOf(error)}`, { cause: error })
    }
  }
  return {
    ensureTopics: (plans) =>
      call('could not set up the topics', async (admin) => {
        for (const plan of plans) await ensureTopic(admin, plan, settings)
      }),
    describe: (topic) => call(`could not describe topic ${topic}`, (admin) => describeTopic(admin, topic)),
    offsets: (topic) =>
      call(`could not read the offsets of topic ${topic}`, async (admin) => {
        const offsets = await admin.fetchTopicOffsets(topic)
        return new Map(
          offsets.map(({ partition, low, high }) => [partition, { low: Number(low), high: Number(high) }]),
        )
      }),
    groupOffsets: (groupId, topic) =>
      call(`could not read the offsets of group ${groupId}`, async (admin) => {
        const topics = await admin.fetchOffsets({ groupId, topics: [topic] })
        const partitions = topics.flatMap((each) => each.partitions)
        return new Map(
          partitions
            .map(({ partition, offset }): [number, number] => [partition, Number(offset)])
            .filter(([, offset]) => offset >= 0),
        )
      }),
    close,
  }
}

async function ensureTopic(admin: Admin, plan: TopicPlan, settings: KafkaSettings): Promise<void> {
  const existing = await describeTopic(admin, plan.topic)
  if (existing === null) {
    await createTopic(admin, plan)
    settings.logger.info({ topic: plan.topic, partitions: plan.partitions }, 'topic made')
    return
  }
  if (existing.partitions !== plan.partitions) {
    throw new LogIdentityError(
      `topic ${plan.topic} has ${existing.partitions} partitions, but ${plan.partitions} are configured. ` +
        'Changing the number moves keys between writers: configure what is there, or migrate to a new topic.',
    )
  }
  await alignSettings(admin, plan, settings)
}

async function createTopic(admin: Admin, plan: TopicPlan): Promise<void> {
  const { topic, partitions, replicationFactor, settings } = plan
  await admin.createTopics({
    // kafkajs's own wait fails when the broker has not heard of the topic yet.
    waitForLeaders: false,
    timeout: CREATE_TIMEOUT_MS,
    topics: [
      {
        topic,
        numPartitions: partitions,
        ...(replicationFactor === undefined ? {} : { replicationFactor }),
        configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
      },
    ],
  })
  await untilServed(admin, plan)
}

/** A new topic is known, and its partitions are led, a moment after it was made; until then appends to it fail. */
async function untilServed(admin: Admin, { topic, partitions }: TopicPlan): Promise<void> {
  const deadlineMs = performance.now() + CREATE_TIMEOUT_MS
  const never = new AbortController().signal
  for (;;) {
    // Somebody else may have been faster, with another plan: the next start says what differs.
    if ((await ledPartitions(admin, topic)) >= partitions) return
    if (performance.now() > deadlineMs) throw new Error(`topic ${topic} was made, but is not served`)
    await pause(SERVED_POLL_INTERVAL_MS, never)
  }
}

/** How many partitions answer for themselves: only a leader tells offsets. All or none. */
async function ledPartitions(admin: Admin, topic: string): Promise<number> {
  try {
    if ((await describeTopic(admin, topic)) === null) return 0
    return (await admin.fetchTopicOffsets(topic)).length
  } catch (error) {
    if (brokerErrorType(error) === null) throw error
    return 0
  }
}

async function describeTopic(admin: Admin, topic: string): Promise<TopicDescription | null> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const { clusterId } = await admin.describeCluster()
    const partitions = topics.find((each) => each.name === topic)?.partitions.length ?? 0
    return partitions === 0 ? null : { clusterId, partitions }
  } catch (error) {
    const type = brokerErrorType(error)
    if (type === 'UNKNOWN_TOPIC_OR_PARTITION' || type === 'LEADER_NOT_AVAILABLE') return null
    throw error
  }
}

type ConfigEntry = DescribeConfigResponse['resources'][number]['configEntries'][number]

async function alignSettings(admin: Admin, plan: TopicPlan, { logger }: KafkaSettings): Promise<void> {
  const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: plan.topic }
  const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] })
  const entries = resources.flatMap((each) => each.configEntries)
  const different = Object.entries(plan.settings).filter(
    ([name, value]) => entries.find((entry) => entry.configName === name)?.configValue !== value,
  )
  if (different.length === 0) return
  // Kafka's AlterConfigs replaces all of a topic's own settings: those that the plan does not name go along.
  const own = entries.filter(isSetOnTopic).map(({ configName, configValue }) => [configName, configValue])
  const merged: Record<string, string> = { ...Object.fromEntries(own), ...plan.settings }
  logger.warn({ topic: plan.topic, changed: Object.fromEntries(different) }, 'topic settings brought in line')
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      { ...resource, configEntries: Object.entries(merged).map(([name, value]) => ({ name, value })) },
    ],
  })
}

/** kafkajs 2.2.4 does not export its ConfigSource enumeration; 1 is Kafka's TOPIC_CONFIG. */
const TOPIC_CONFIG_SOURCE = 1

function isSetOnTopic({ configSource }: ConfigEntry): boolean {
  return Number(configSource) === TOPIC_CONFIG_SOURCE
}
