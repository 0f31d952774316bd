import { createLogSource } from '@ironsys/audit'
import { limits } from '@ironsys/contracts'
import { LocalFault } from '@ironsys/local'
import { agedLimits, countAged, outcomeDays, removeAged } from '../aged-tables.ts'
import { readOptions } from '../arguments.ts'
import { type Command, type Context, UsageFault } from '../command.ts'
import { confirmed } from '../confirm.ts'
import { withDeployment } from '../deployment.ts'
import { kafkaSettings } from '../log.ts'
import { wholeNumber } from '../option-values.ts'
import { createProgressMeter } from '../progress-meter.ts'
import {
  countOver,
  REMOVABLE_RESERVATIONS_MAX,
  type RetentionDeps,
  type RetiredKind,
  retireOver,
} from '../retention.ts'
import {
  isNothing,
  type RetentionPlan,
  type RetentionResult,
  retentionPlanJson,
  retentionPlanText,
  retentionResultJson,
  retentionResultText,
} from '../retention-text.ts'
import { createWriters } from '../writers.ts'

const KEEP_DAYS = 90
const PURPOSE = 'retention'
const NOT_ALL_EXIT_CODE = 1

export const retentionCommand: Command = {
  name: 'retention',
  summary: 'remove slots and bookings that are long over, and what is kept for a time only',
  usage: '[--keep-days <n>] [--dry-run] [--yes] [--json]',
  details: `May be run beside any load, at any time and again at any time: what one run leaves the next one finds. It asks
the writer of each slot and booking, so workers must run. What it removes is gone: reservations of a removed slot read as
unknown.

  --keep-days <n>  ${limits.keepDaysMin} to ${limits.keepDaysMax}; ${KEEP_DAYS} when it is not given. Counted from the end of a slot; of a booking from the end
                   of the last of its slots; of a dead letter from when it was redriven or discarded
  --dry-run        say what would go, change nothing
  --yes            do not ask
  --json           one JSON object on stdout; needs --yes or --dry-run

  slot          goes with its reservations and its ledger, keep-days after its end; one with more than ${REMOVABLE_RESERVATIONS_MAX}
                reservations stays, and is named
  booking       goes with its items, keep-days after the last of its slots, when it is not pending or held any more
  dead letter   goes keep-days after it was resolved; one that is open stays
  outcome       of a change to a slot, and of a confirmation with a key or late: goes after ${outcomeDays} days, whatever
                keep-days is, and never before the log's own record
  ledger month  goes when it is older than keep-days and its last slot has gone

Only outcomes and ledger months go by the calendar. Reservations do not: a request that is repeated is refused by the id
of its reservation, which has to be there for as long as the slot is, and the ledger of a slot is the proof of its state.
Exit code: 0 done, ${NOT_ALL_EXIT_CODE} not or not all done, 2 wrong usage.`,
  run: async (args, context) => {
    const options = readRetentionOptions(args)
    return withDeployment(context.config, PURPOSE, {}, (access) =>
      retain({ pool: access.pool, writers: createWriters(access) }, options, context),
    )
  },
}

interface Options {
  readonly keepDays: number
  readonly dryRun: boolean
  readonly yes: boolean
  readonly json: boolean
}

function readRetentionOptions(args: readonly string[]): Options {
  const values = readOptions(args, {
    'keep-days': { type: 'string', default: String(KEEP_DAYS) },
    'dry-run': { type: 'boolean', default: false },
    yes: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  })
  const { 'dry-run': dryRun, yes, json } = values
  if (yes && dryRun) throw new UsageFault('--dry-run changes nothing: --yes does not go with it')
  if (json && !yes && !dryRun) throw new UsageFault('--json cannot ask: it needs --yes or --dry-run')
  const keepDays = wholeNumber('--keep-days', values['keep-days'], limits.keepDaysMin, limits.keepDaysMax)
  return { keepDays, dryRun, yes, json }
}

async function retain(deps: RetentionDeps, options: Options, { config, say }: Context): Promise<number> {
  const { pool } = deps
  const { keepDays, dryRun, yes, json } = options
  const log = createLogSource(kafkaSettings(config, `ironsys-${PURPOSE}`))
  try {
    const aged = await agedLimits(pool, log, keepDays)
    const plan: RetentionPlan = {
      keepDays,
      slots: await countOver(pool, 'slots', keepDays),
      bookings: await countOver(pool, 'bookings', keepDays),
      ...(await countAged(pool, aged)),
    }
    if (!json) say(retentionPlanText(plan))
    if (dryRun) {
      if (json) say(JSON.stringify(retentionPlanJson(plan)))
      return 0
    }
    const question = 'Remove all this for good?'
    if (!isNothing(plan) && !(await confirmed({ question, yes }))) return NOT_ALL_EXIT_CODE
    const result: RetentionResult = {
      keepDays,
      slots: await retireWithProgress(deps, 'slots', keepDays),
      bookings: await retireWithProgress(deps, 'bookings', keepDays),
      // Behind the slots: a month of the ledger may have become empty with them.
      ...(await removeAged(pool, aged)),
    }
    if (json) say(JSON.stringify(retentionResultJson(result)))
    else say(retentionResultText(result))
    const { slots, bookings, inUse } = result
    const left = [slots.left, slots.tooLarge, bookings.left, inUse].flat().length
    return left === 0 ? 0 : NOT_ALL_EXIT_CODE
  } finally {
    await log.close()
  }
}

/** A fault that ends it says how far it came: what was removed by then is. */
async function retireWithProgress(deps: RetentionDeps, kind: RetiredKind, keepDays: number) {
  const nowMs = () => performance.now()
  const meter = createProgressMeter({ stream: process.stderr, unit: kind, startedMs: nowMs(), nowMs })
  let reached = ''
  try {
    return await retireOver(deps, kind, keepDays, (done, total) => {
      reached = `; ${done} of ${total} ${kind} were done`
      meter.report(done, total)
    })
  } catch (error) {
    throw error instanceof LocalFault ? new LocalFault(`${error.message}${reached}`) : error
  } finally {
    meter.clear()
  }
}
