import { readOptions } from '../arguments.ts'
import type { Command } from '../command.ts'
import { startDetached } from '../detached.ts'
import { supervise } from '../supervise.ts'

export const upCommand: Command = {
  name: 'up',
  summary: 'start everything: servers, migrations, topics, example slots, API and worker',
  usage: '[--detach]',
  details: `Runs until Ctrl-C, which stops everything that it started and nothing else. With --detach it returns when
everything is ready, and ./ironsys down stops it. What is missing on the machine is fetched or installed, and named.

A server or an app that is killed or crashes is started again, with its data. One that is started five times without
having run for a minute, or that hangs while it starts, is given up: then all is stopped, with exit code 1, and the end of
its log is shown. Containers are left to Docker.

Postgres, Redis and Kafka run in Docker where an engine answers, else as processes of this machine.
  IRONSYS_SERVERS=native | docker    says which
  DATABASE_URL, REDIS_URL, KAFKA_BROKERS    use a server that is already there
  PORT (8000), API_OPS_PORT (9100), WORKER_OPS_PORT (9101)    the apps' ports
  IRONSYS_POSTGRES_PORT (15432), IRONSYS_REDIS_PORT (16379), IRONSYS_KAFKA_PORT (19092),
  IRONSYS_KAFKA_CONTROLLER_PORT (19093)    the servers' ports
  PARTITIONS (12)    of each topic; fixed once the topics exist
State, logs and keys are in .ironsys/stack.`,
  run: async (args, context) => {
    const { detach } = readOptions(args, { detach: { type: 'boolean', short: 'd', default: false } })
    return detach ? startDetached(context) : supervise(context)
  },
}
