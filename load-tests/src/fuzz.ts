/**
 * `./ironsys fuzz`: schemathesis over the served OpenAPI description, on a private stack. Exit code 1 on a 5xx, an answer that
 * is not documented, an invalid request that is accepted, or a command that is accepted and cannot be decided. Flags:
 * --requests --minutes --seed.
 */
import { randomInt } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { scopes, signDevelopmentToken } from '@ironsys/access'
import { slotDocumentSchema } from '@ironsys/contracts'
import { checkout, LocalFault, run } from '@ironsys/local'
import { Client } from 'pg'
import { z } from 'zod'
import { hexKey } from './bench/preparation.ts'
import { type BenchStack, startBenchStack } from './bench/stack.ts'
import { childEnvironment, type FuzzConfig, readFuzzConfig } from './config.ts'
import { LoadTestFault, runMain } from './faults.ts'
import { obtainSchemathesis } from './fuzz/schemathesis.ts'

const STACK = 'fuzz'
/** Beyond its own time: what it needs to start, to make failures smaller and to report. */
const GRACE_MS = 120_000
const PROGRESS_MS = 20_000
/** On a machine that is busy one round has too few requests: then there are more, under the next seeds. */
const ROUNDS_MAX = 3

const folder = join(checkout, 'load-tests', 'fuzz')
const token = {
  issuer: 'https://fuzz.example',
  audience: 'ironsys',
  userId: 'fuzz',
  scopes,
  ttlSeconds: 86_400,
}

/** Of its report, what is looked at here. */
const reportSchema = z.object({ test_cases: z.object({ generated: z.number() }) })

await runMain(async () => {
  const config = readFuzzConfig(process.argv.slice(2))
  const interrupted = new AbortController()
  // Also the second time, which comes when both the group and the command line pass it on: the stack must be stopped.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  try {
    return await fuzz(config, interrupted.signal)
  } catch (error) {
    if (interrupted.signal.aborted) throw new LoadTestFault('interrupted')
    if (error instanceof LocalFault) throw new LoadTestFault(error.message)
    throw error
  }
})

async function fuzz(config: FuzzConfig, signal: AbortSignal): Promise<boolean> {
  const program = await obtainSchemathesis(signal, say)
  const sharedKey = hexKey()
  say('starting a private stack')
  const stack = await startBenchStack(STACK, signal, (line) => say(`  ${line}`), {
    AUTH_MODE: 'jwt',
    JWT_SHARED_KEY: sharedKey,
    JWT_ISSUER: token.issuer,
    JWT_AUDIENCE: token.audience,
    // What is asked is whether answers are right, not how many of them there may be.
    SHED_QUEUE_MESSAGES: '0',
    SHED_LOOP_DELAY_MS: '0',
    SHED_LAG_MS: '0',
    WAITS_PER_CALLER: '0',
  })
  try {
    const bearer = await signDevelopmentToken({ ...token, sharedKey, nowMs: Date.now() })
    const { apiUrl } = stack.real
    const slots = {
      FUZZ_SLOT: await createSlot(apiUrl, bearer),
      FUZZ_CHANGED_SLOT: await createSlot(apiUrl, bearer),
    }
    const faults = [
      ...(await runSchemathesis({ program, config, apiUrl, bearer, slots, signal })),
      ...(await deadLettersOf(stack)),
    ]
    for (const fault of faults) say(`FAILED: ${fault}`)
    return faults.length === 0
  } finally {
    await stack.stop()
  }
}

interface Asked {
  readonly program: string
  readonly config: FuzzConfig
  readonly apiUrl: string
  readonly bearer: string
  /** Of the environment: what hooks.py knows. */
  readonly slots: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/** What is wrong, beside what it says itself. */
async function runSchemathesis(asked: Asked): Promise<readonly string[]> {
  const { requests, seed = randomInt(2 ** 32) } = asked.config
  let sent = 0
  for (let round = 0; round < ROUNDS_MAX && sent < requests; round++) {
    const { fault, generated } = await runRound(asked, (seed + round) % 2 ** 32)
    if (fault !== null) return [fault]
    sent += generated
    say(`${sent} of ${requests} requests`)
  }
  return sent < requests ? [`${sent} requests, fewer than ${requests}`] : []
}

interface Round {
  readonly fault: string | null
  readonly generated: number
}

async function runRound(
  { program, config, apiUrl, bearer, slots, signal }: Asked,
  seed: number,
): Promise<Round> {
  const report = join(checkout, '.ironsys', STACK, 'report.json')
  rmSync(report, { force: true })
  say(`schemathesis for ${config.minutes} min, seed ${seed}`)
  const began = performance.now()
  const tick = setInterval(() => say(`  ${Math.round((performance.now() - began) / 1000)} s`), PROGRESS_MS)
  const args = [
    ...['--config-file', join(folder, 'schemathesis.toml')],
    ...['run', `${apiUrl}/openapi.json`, '--no-color'],
    ...['--header', `Authorization: Bearer ${bearer}`],
    ...['--max-time', String(config.minutes * 60), '--seed', String(seed)],
    ...['--report', 'json', '--report-json-path', report],
  ]
  const timeoutMs = config.minutes * 60_000 + GRACE_MS
  const env = childEnvironment({
    ...slots,
    PYTHONUNBUFFERED: '1',
    SCHEMATHESIS_HOOKS: join(folder, 'hooks.py'),
  })
  const outcome = await run(program, args, { cwd: folder, env, timeoutMs, signal, onLine: say })
  clearInterval(tick)
  if (signal.aborted) throw new LoadTestFault('interrupted')
  if (outcome.code !== 0) {
    return { fault: `schemathesis: exit code ${outcome.code}; seed ${seed}`, generated: 0 }
  }
  const { generated } = reportSchema.parse(JSON.parse(readFileSync(report, 'utf8'))).test_cases
  return { fault: null, generated }
}

async function createSlot(apiUrl: string, bearer: string): Promise<string> {
  const answer = await fetch(`${apiUrl}/slots`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json', prefer: 'wait=20' },
    body: JSON.stringify({
      name: 'fuzz',
      start_time: '2030-01-01T10:00:00Z',
      end_time: '2030-01-01T12:00:00Z',
      capacity: 100_000_000,
      waitlist: true,
    }),
  })
  const body: unknown = await answer.json()
  const slot = slotDocumentSchema.safeParse(body)
  if (!slot.success) throw new LoadTestFault(`POST /slots answered ${answer.status}: ${JSON.stringify(body)}`)
  return slot.data.id
}

/** A command that was accepted and could not be decided is a body that should have been refused. */
async function deadLettersOf(stack: BenchStack): Promise<readonly string[]> {
  const database = new Client({ connectionString: stack.databaseUrl })
  await database.connect()
  try {
    const { rows } = await database.query('SELECT * FROM dead_letters ORDER BY id LIMIT 5')
    return rows.map((row) => `a command could not be decided: ${JSON.stringify(row)}`)
  } finally {
    await database.end()
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
