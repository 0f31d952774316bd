/** Kafka (KRaft, broker and controller in one) as a process of this machine. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './commands.ts'
import { LocalFault } from './faults.ts'
import { fetchKafka, findJava } from './kafka-programs.ts'
import { LOOPBACK, requireFreePort } from './ports.ts'
import { probeKafka } from './probes.ts'
import { launch, waitReady } from './processes.ts'
import type { NativeServer, StackFolder } from './server.ts'

const READY_DEADLINE_MS = 90_000

export function kafkaServer(stack: StackFolder, jarCache: string): NativeServer {
  const home = join(stack.path, 'kafka')
  const config = join(home, 'server.properties')
  let java = ''
  let jars = ''
  return {
    name: 'kafka',
    prepare: async () => {
      java = await findJava(stack.report)
      jars = await fetchKafka(jarCache, stack.report, stack.signal)
      mkdirSync(home, { recursive: true })
      writeFileSync(config, properties(stack, join(home, 'data')))
      if (!existsSync(join(home, 'data', 'meta.properties'))) await format(java, jars, config, stack)
    },
    start: async () => {
      await requireFreePort(stack.ports.kafka, 'Kafka')
      await requireFreePort(stack.ports.kafkaController, "Kafka's controller")
      const args = ['-Xmx512m', '-XX:+UseSerialGC', ...quietly(), '-cp', `${jars}/*`, 'kafka.Kafka', config]
      const running = await launch({
        name: 'kafka',
        command: java,
        args,
        folder: stack.path,
        signal: stack.signal,
        cwd: home,
      })
      await waitReady(
        running,
        () => probeKafka([`${LOOPBACK}:${stack.ports.kafka}`]),
        READY_DEADLINE_MS,
        stack.signal,
      )
      return running
    },
  }
}

async function format(java: string, jars: string, config: string, stack: StackFolder): Promise<void> {
  const id = randomBytes(16).toString('base64url').replace(/^-/, 'A')
  const args = [
    '-XX:TieredStopAtLevel=1',
    ...quietly(),
    '-cp',
    `${jars}/*`,
    'kafka.tools.StorageTool',
    'format',
  ]
  const settings = [`--cluster-id=${id}`, '-c', config, ...(stack.kafka?.formatArguments ?? [])]
  const outcome = await run(java, [...args, ...settings], { signal: stack.signal })
  if (outcome.code !== 0)
    throw new LocalFault('Kafka: formatting its storage failed', outcome.output.slice(-2000))
}

function quietly(): readonly string[] {
  return [
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS',
  ]
}

function properties(stack: StackFolder, data: string): string {
  const { kafka, kafkaController } = stack.ports
  const values: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@${LOOPBACK}:${kafkaController}`,
    listeners: `PLAINTEXT://${LOOPBACK}:${kafka},CONTROLLER://${LOOPBACK}:${kafkaController}`,
    'advertised.listeners': `PLAINTEXT://${LOOPBACK}:${stack.kafkaAdvertisedPort ?? kafka}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': data,
    // Topics are made by ./ironsys topics, with their settings; a misspelt name must not make one.
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    // A broker that was killed with -9 may register again after its old session: 2 s instead of 9. A busy machine can
    // keep a broker from its heartbeats for that long, which a test run's broker must bear.
    ...(stack.disposable
      ? {}
      : { 'broker.session.timeout.ms': '2000', 'broker.heartbeat.interval.ms': '500' }),
    'controlled.shutdown.enable': 'true',
    ...stack.kafka?.settings,
  }
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}
