/** What one wants to know when everything runs. */
import { LOOPBACK, type Stack } from '@ironsys/local'
import type { CliConfig } from './config.ts'
import { apiUrl } from './running.ts'
import { seedSlots } from './seed.ts'

export function banner(config: CliConfig, stack: Stack): string {
  const url = apiUrl(config)
  const slot = seedSlots[0]?.id
  return `
  API         ${url}
  reference   ${url}/docs   (OpenAPI: ${url}/openapi.json)
  metrics     http://${LOOPBACK}:${config.apiOpsPort}/metrics (API), http://${LOOPBACK}:${config.workerOpsPort}/metrics (worker)
  Postgres    ${place(stack, 'postgres', config.local.ports.postgres)}   ./ironsys psql
  Redis       ${place(stack, 'redis', config.local.ports.redis)}   ./ironsys redis-cli
  Kafka       ${place(stack, 'kafka', config.local.ports.kafka)}   ./ironsys lag

  Reserve a place:

  curl -s ${url}/reservations -H 'content-type: application/json' -H 'prefer: wait=5' \\
    -d '{"slot_id":"${slot}","user_id":"alice"}'

  and see what is left:

  curl -s ${url}/slots/${slot}
`
}

/** Given addresses may hold passwords, so they are not shown. */
function place(stack: Stack, name: keyof Stack['sources'], port: number): string {
  const how = stack.sources[name]
  return how === 'given'
    ? 'as the environment says'
    : `${LOOPBACK}:${port}${how === 'docker' ? ' (Docker)' : ''}`
}
