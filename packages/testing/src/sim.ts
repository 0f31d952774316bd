/**
 * The simulator as a program: `./ironsys sim`. One seed with its trace, many seeds with a summary, or the planted bugs
 * with how many seeds found each.
 */
import { parseArgs } from 'node:util'
import { type Mutant, mutants } from './sim/mutants/index.ts'
import { runSeeds, type SeedSummary } from './sim/seeds.ts'
import type { SimulationResult } from './sim/simulation.ts'

const SEEDS = 1000
const SEEDS_PER_MUTANT = 200
/** A mutant that so many seeds have found is found: the rest of its seeds would tell nothing new. */
const FOUND_ENOUGH = 3
/** Seeds that a thread takes at once where a run ends early. */
const SEEDS_AT_ONCE = 3
const FAILURES_SHOWN = 10
const PROGRESS_EVERY_MS = 1000

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      from: { type: 'string', default: '1' },
      mutants: { type: 'boolean', default: false },
      mutant: { type: 'string' },
    },
  })
  const from = wholeNumber('--from', values.from)
  if (values.seed !== undefined) return await traceSeed(wholeNumber('--seed', values.seed), values.mutant)
  if (values.mutants)
    return await tellMutants(from, wholeNumber('--seeds', values.seeds ?? `${SEEDS_PER_MUTANT}`))
  return await tellSeeds(from, wholeNumber('--seeds', values.seeds ?? `${SEEDS}`), values.mutant ?? null)
}

/** Runs one seed in this thread and prints everything that happens in it. */
async function traceSeed(seed: number, mutantName: string | undefined): Promise<number> {
  if (mutantName !== undefined) {
    const { findMutant, plantMutant } = await import('./sim/mutation.ts')
    plantMutant(findMutant(mutantName))
  }
  const { simulate } = await import('./sim/simulation.ts')
  const { installVirtualGlobals } = await import('./sim/virtual-globals.ts')
  installVirtualGlobals()
  const result = await simulate(seed, say)
  const { events, accepted, virtualMs, violation } = result
  say(
    `\nseed ${seed}: ${events} events in ${(virtualMs / 1000).toFixed(1)} virtual seconds, ${accepted} commands accepted`,
  )
  say(violation === null ? 'every invariant held' : `${violation.invariant}: ${violation.detail}`)
  return violation === null ? 0 : 1
}

async function tellSeeds(from: number, count: number, mutant: string | null): Promise<number> {
  const summary = await runSeeds({ from, count, mutant, failuresMax: FAILURES_SHOWN }, progressOf(count))
  for (const failed of summary.failed.slice(0, FAILURES_SHOWN)) tellFailure(failed, mutant)
  const minutes = summary.elapsedMs / 60_000
  say(
    `${summary.seeds} seeds, ${summary.failed.length} failed; ${rounded(summary.seeds / minutes)} seeds a minute, ` +
      `${rounded(summary.events / summary.seeds)} events a seed, ${rounded(summary.accepted)} commands accepted, ` +
      `${(summary.virtualMs / 3_600_000).toFixed(1)} virtual hours`,
  )
  say(`faults: ${[...summary.strikes].map(([kind, strikes]) => `${kind} ${strikes}`).join(', ')}`)
  return summary.failed.length === 0 ? 0 : 1
}

function tellFailure({ seed, violation }: SimulationResult, mutant: string | null): void {
  const planted = mutant === null ? '' : ` --mutant ${mutant}`
  say(`seed ${seed}: ${violation?.invariant}: ${violation?.detail}`)
  say(`  ./ironsys sim --seed ${seed}${planted}   # the same run again, with everything that happens in it`)
}

/** A planted bug that no seed finds is a failure. Each is run until enough seeds have found it, or there are no more. */
async function tellMutants(from: number, count: number): Promise<number> {
  const width = Math.max(...mutants.map(({ name }) => name.length))
  say(`${'planted bug'.padEnd(width)}  seeds that find it  as              what is wrong`)
  let missed = 0
  for (const mutant of mutants) {
    const run = { from, count, mutant: mutant.name, failuresMax: FOUND_ENOUGH, chunk: SEEDS_AT_ONCE }
    const { failed } = await runSeeds(run, () => {})
    if (failed.length === 0) missed++
    const enough = failed.slice(0, FOUND_ENOUGH)
    say(mutantLine(mutant, width, enough, triedOf(enough, from) ?? count))
  }
  say(missed === 0 ? `all ${mutants.length} are found` : `${missed} of ${mutants.length} are NOT found`)
  return missed === 0 ? 0 : 1
}

/** Up to the last seed that was needed: the threads may have run some more, and how many is chance. */
function triedOf(failed: SeedSummary['failed'], from: number): number | null {
  const last = failed[FOUND_ENOUGH - 1]
  return last === undefined ? null : last.seed - from + 1
}

function mutantLine(
  { name, what }: Mutant,
  width: number,
  failed: SeedSummary['failed'],
  tried: number,
): string {
  const share = `${failed.length} of the first ${tried}`.padEnd(18)
  const invariants = [...new Set(failed.map(({ violation }) => violation?.invariant))].toSorted().join(' ')
  return `${name.padEnd(width)}  ${share}  ${invariants.padEnd(14)}  ${what}`
}

function progressOf(count: number): (done: number, failed: number) => void {
  const startedMs = performance.now()
  let toldMs = startedMs
  return (done, failed) => {
    const nowMs = performance.now()
    if (nowMs - toldMs < PROGRESS_EVERY_MS || done === count) return
    toldMs = nowMs
    const leftS = ((nowMs - startedMs) / done / 1000) * (count - done)
    const line = `${done} of ${count} seeds, ${failed} failed, ${Math.ceil(leftS)} s left`
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}\r` : `${line}\n`)
  }
}

function wholeNumber(option: string, text: string): number {
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text)
  throw new RangeError(`${option} must be a whole number from 1 to 999999999, not ${text}`)
}

function rounded(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`sim: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 2
}
