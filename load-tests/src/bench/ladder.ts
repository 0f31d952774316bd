/**
 * What each feature of a cached GET costs: bare Fastify, then our server with one part more at each rung, up to the whole
 * process. All are there at once and are measured in turns, up and down, so that a machine that changes changes all.
 */
import type { BenchConfig } from '../config.ts'
import { measureReads, type ReadRun, type ReadTarget } from './read-run.ts'
import { type Answer, type BenchStack, type Pipeline, rungs } from './stack.ts'

/** Bare Fastify with the body alone: what others call bare. It is no rung of the ladder; {@link BARE} is the first. */
export const BODY = 'bare Fastify, the body only'
export const BARE = 'bare Fastify, the same bytes'
export const REAL = 'the whole API process'

const names: Readonly<Record<(typeof rungs)[number], string>> = {
  route: '+ our server: fast path, problems, ids',
  cache: '+ snapshot cache',
  metrics: '+ metrics',
  logs: '+ logs, 1 of 1000',
  tracing: '+ tracing, 1 %',
  limits: '+ rate limits: address, endpoint',
}

export interface LadderStack {
  readonly stack: BenchStack
  readonly bare: Pipeline
  readonly slotId: string
  readonly answer: Answer
  readonly collector: string
}

export async function climbLadder(
  { stack, bare, slotId, answer, collector }: LadderStack,
  config: BenchConfig,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<readonly ReadRun[]> {
  const path = `/slots/${slotId}`
  const targets: ReadTarget[] = [
    { ...bare, rung: BODY, path: `/bodies/${slotId}` },
    { ...bare, rung: BARE, path },
  ]
  for (const rung of rungs) {
    targets.push({ ...(await stack.startRung(rung, answer, collector)), rung: names[rung], path })
  }
  targets.push({ ...stack.real, rung: REAL, path })
  const how = { seconds: config.rung, threads: config.threads, signal }
  say('warm-up of every rung')
  for (const target of targets) await measureReads(target, how)
  const runs: ReadRun[] = []
  for (let climb = 1; climb <= config.climbs; climb++) {
    const order = climb % 2 === 1 ? targets : targets.toReversed()
    for (const target of order) runs.push(await measureReads(target, how))
    const rates = runs.slice(-order.length).map(({ perSecond }) => Math.round(perSecond))
    say(`climb ${climb}: ${(climb % 2 === 1 ? rates : rates.toReversed()).join(', ')} answers/s`)
  }
  return runs
}
