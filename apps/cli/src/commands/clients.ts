/** `psql` and `redis-cli`: the servers' own clients, already connected. */
import {
  dockerExecCommand,
  dockerStarted,
  findPostgresProgram,
  findProgram,
  folders,
  LocalFault,
} from '@ironsys/local'
import type { Command } from '../command.ts'
import { runProgram } from '../programs.ts'
import { currentAddresses } from '../running.ts'

export const psqlCommand: Command = {
  name: 'psql',
  summary: "open the database with Postgres' client",
  usage: '[arguments of psql]',
  details: "For example: ./ironsys psql -c 'SELECT count(*) FROM reservations'",
  run: async (args, { config, environment }) => {
    const url = new URL(currentAddresses(config).databaseUrl)
    const inContainer = dockerStarted(folders.stack) && config.local.given.databaseUrl === null
    if (inContainer) return inside('postgres', ['psql', '-U', 'ironsys', 'ironsys', ...args])
    const program = await findPostgresProgram('psql')
    if (program === null) throw new LocalFault('psql is missing: sudo apt-get install postgresql-client')
    // Not as an argument: everybody on the machine can read those.
    const password = decodeURIComponent(url.password)
    url.password = ''
    const env = { ...environment, ...(password === '' ? {} : { PGPASSWORD: password }) }
    return runProgram(program, [url.toString(), ...args], { env })
  },
}

export const redisCliCommand: Command = {
  name: 'redis-cli',
  summary: "open Redis with Redis' client",
  usage: '[arguments of redis-cli]',
  details: 'For example: ./ironsys redis-cli INFO memory',
  run: async (args, { config, environment }) => {
    const url = new URL(currentAddresses(config).redisUrl)
    const inContainer = dockerStarted(folders.stack) && config.local.given.redisUrl === null
    if (inContainer) return inside('redis', ['redis-cli', ...args])
    const program = findProgram('redis-cli')
    if (program === null) throw new LocalFault('redis-cli is missing: sudo apt-get install redis-tools')
    const password = decodeURIComponent(url.password)
    url.password = ''
    const env = { ...environment, ...(password === '' ? {} : { REDISCLI_AUTH: password }) }
    const trusted = environment.REDIS_CA_FILE ? ['--cacert', environment.REDIS_CA_FILE] : []
    return runProgram(program, ['-u', url.toString(), ...trusted, ...args], { env })
  },
}

function inside(server: 'postgres' | 'redis', command: readonly string[]): Promise<number> {
  const interactive = process.stdin.isTTY === true
  const [program = '', ...rest] = dockerExecCommand(folders.stack, server, interactive)
  return runProgram(program, [...rest, ...command], {})
}
