/**
 * `make chaos`: the whole system on real servers, under load and under fire. What is done, and in which order, follows
 * from a printed seed; when real servers answer does not.
 */
import { writeFileSync } from 'node:fs'
import { LocalFault } from '@ironsys/local'
import { ChaosUsageFault, readChaosConfig } from './chaos/config.ts'
import { reportText } from './chaos/report.ts'
import { runChaos } from './chaos/run.ts'

const USAGE_EXIT_CODE = 2

// All is closed by now. Left to itself, Node 24 may spin for ever over a socket that was reset while its peer was killed.
process.exit(await main())

async function main(): Promise<number> {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
  try {
    const config = readChaosConfig(process.argv.slice(2))
    say(`seed ${config.seed}; again with: ${config.command}`)
    const report = await runChaos(config, say, interrupted.signal)
    say(reportText(report))
    if (config.jsonPath !== null) writeFileSync(config.jsonPath, `${JSON.stringify(report, null, 2)}\n`)
    return report.ok ? 0 : 1
  } catch (error) {
    if (error instanceof ChaosUsageFault) {
      process.stderr.write(`chaos: ${error.message}; ./ironsys help chaos lists the options\n`)
      return USAGE_EXIT_CODE
    }
    if (!(error instanceof LocalFault)) throw error
    process.stderr.write(`${error.logTail}\nchaos: ${error.message}\n`)
    return 1
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
