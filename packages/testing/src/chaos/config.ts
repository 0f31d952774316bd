/** The arguments of `./ironsys chaos`, read once. */
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { type FaultKind, faultKinds, faultTargets, isFaultKind, targetOf } from './fault-plan.ts'

const SEED_MAX = 0xffff_ffff

const schema = z.strictObject({
  minutes: z.coerce.number().positive().max(600).default(5),
  seed: z.coerce.number().int().min(0).max(SEED_MAX),
  rate: z.coerce.number().int().min(10).max(2000).default(300),
  faults: z.string().default(faultTargets.join()).transform(readFaults),
  count: z.coerce.number().int().min(1).max(10_000).optional(),
  rolling: z.boolean().default(false),
  json: z.string().min(1).optional(),
})

export interface ChaosConfig {
  readonly minutes: number
  readonly seed: number
  /** Requests a second. */
  readonly perSecond: number
  readonly faults: readonly FaultKind[]
  /** Ends the faults after so many, before the time is over. */
  readonly count: number
  /** Only the rolling restart. */
  readonly rollingOnly: boolean
  readonly jsonPath: string | null
  /** What repeats the run, the drawn seed included. */
  readonly command: string
}

export class ChaosUsageFault extends Error {
  override readonly name = 'ChaosUsageFault'
}

const options = {
  minutes: { type: 'string' },
  seed: { type: 'string' },
  rate: { type: 'string' },
  faults: { type: 'string' },
  count: { type: 'string' },
  rolling: { type: 'boolean' },
  json: { type: 'string' },
} as const

/** `drawSeed` is asked when no seed is given. Throws {@link ChaosUsageFault}. */
export function readChaosConfig(
  args: readonly string[],
  drawSeed: () => number = () => Math.floor(Math.random() * SEED_MAX),
): ChaosConfig {
  try {
    const { values } = parseArgs({ args: [...args], options, strict: true, allowPositionals: false })
    const read = schema.parse({ ...values, seed: values.seed ?? String(drawSeed()) })
    const { minutes, seed, rate } = read
    return {
      minutes,
      seed,
      perSecond: rate,
      faults: read.faults,
      count: read.count ?? Number.POSITIVE_INFINITY,
      rollingOnly: read.rolling,
      jsonPath: read.json ?? null,
      command: commandOf(args, seed),
    }
  } catch (error) {
    if (error instanceof z.ZodError) {
      const faults = error.issues.map(({ path, message }) => `--${path.join('.')}: ${message}`)
      throw new ChaosUsageFault(faults.join('; '))
    }
    throw new ChaosUsageFault(error instanceof Error ? error.message : String(error))
  }
}

/** A target stands for all kinds of faults that it has. */
function readFaults(list: string, context: z.RefinementCtx): readonly FaultKind[] {
  const names = list.split(',').map((name) => name.trim())
  const wrong = names.find((name) => !isFaultKind(name) && !isTarget(name))
  if (wrong !== undefined) {
    const known = [...faultTargets, ...faultKinds].join(', ')
    context.addIssue({ code: 'custom', message: `there is no ${wrong || 'empty name'}; there are: ${known}` })
    return z.NEVER
  }
  return faultKinds.filter((kind) => names.includes(kind) || names.includes(targetOf(kind)))
}

function isTarget(name: string): boolean {
  return faultTargets.some((target) => target === name)
}

/** All that decides what happens, and nothing that was left at its default. */
function commandOf(given: readonly string[], seed: number): string {
  const { values } = parseArgs({ args: [...given], options })
  const texts = ['minutes', 'rate', 'faults', 'count'] as const
  const flags = texts.flatMap((name) => (values[name] === undefined ? [] : [`--${name} ${values[name]}`]))
  return ['./ironsys chaos', ...flags, `--seed ${seed}`, ...(values.rolling ? ['--rolling'] : [])].join(' ')
}
