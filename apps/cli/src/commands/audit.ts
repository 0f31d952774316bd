/** Looks whether everything that is stored agrees, on a system that goes on working; repairs what is derivable. */
import {
  type AuditDeps,
  type AuditOptions,
  type AuditProgress,
  type AuditReport,
  auditDefaults,
  type CheckName,
  checkNames,
  createLogSource,
  isCheckName,
  planRepair,
  type RepairDeps,
  type RepairPlan,
  repairSlot,
  runAudit,
  slotChecks,
} from '@ironsys/audit'
import { connectRedis } from '@ironsys/cache'
import { silentLogger } from '@ironsys/kafka'
import { createPool } from '@ironsys/postgres'
import { readOptions } from '../arguments.ts'
import { auditJson, auditText, planText, type RepairResult, repairJson, repairText } from '../audit-report.ts'
import { type Command, type Context, UsageFault } from '../command.ts'
import { confirmed } from '../confirm.ts'
import { kafkaSettings } from '../log.ts'
import { slotIdValue, wholeNumber } from '../option-values.ts'
import { createProgressMeter } from '../progress-meter.ts'
import { currentAddresses } from '../running.ts'

const FOUND_EXIT_CODE = 1
const INCOMPLETE_EXIT_CODE = 3
const REDIS_TIMEOUT_MS = 2000

export const auditCommand: Command = {
  name: 'audit',
  summary: 'check that ledger, state, reservations, log, events and snapshots agree, while everything runs',
  usage: '[--slot <id>] [--only <check,…>] [--log <records>|all] [--repair [--yes]] [--json]',
  details: `Reads only, stops nothing and locks nothing; may be run at any time. Exit code: 0 clean, ${FOUND_EXIT_CODE} something was found,
2 wrong usage, ${INCOMPLETE_EXIT_CODE} nothing was found but not everything could be checked (the reason is shown).

  --slot <id>     only this slot, with its reservations and its snapshot
  --only <…>      only these checks, separated by commas:
                  ${checkList()}
  --log <n>|all   how many of the newest commands of each partition must have an outcome, default ${auditDefaults.logRecordsMax}
  --repair        show what is derivable (state from the ledger, snapshots from state), field by field, and repair it
                  after a yes; the writer of each partition concerned is fenced and reads everything again
  --yes           repair without asking
  --json          one JSON document on stdout and nothing else

docs/operating.md says what each finding asks for.`,
  run: async (args, context) => {
    const options = readAuditOptions(args)
    const { config } = context
    const { databaseUrl, redisUrl } = currentAddresses(config)
    const name = 'ironsys-audit'
    const pool = createPool(databaseUrl, { applicationName: name, maxConnections: 1, readOnly: true })
    const writing = createPool(databaseUrl, { applicationName: `${name}-repair`, maxConnections: 1 })
    const connection = { name: 'audit', logger: silentLogger, commandTimeoutMs: REDIS_TIMEOUT_MS }
    const redis = connectRedis(redisUrl, connection, config.local.security.redisCa)
    const log = createLogSource(kafkaSettings(config, name))
    try {
      const nowMs = () => performance.now()
      const audited = { pool, redis, log, nowMs }
      return await auditAndRepair(audited, { pool: writing, redis }, options, context)
    } finally {
      redis.disconnect()
      await log.close()
      await writing.end()
      await pool.end()
    }
  },
}

function checkList(): string {
  const half = Math.ceil(checkNames.length / 2)
  return `${checkNames.slice(0, half).join(', ')},\n                  ${checkNames.slice(half).join(', ')}`
}

interface Options {
  readonly audit: Pick<AuditOptions, 'only' | 'slotId' | 'logRecordsMax'>
  readonly repair: boolean
  readonly yes: boolean
  readonly json: boolean
}

function readAuditOptions(args: readonly string[]): Options {
  // parseArgs takes a value that begins with a dash for an option, and says so in its own words.
  const logValue = args[args.indexOf('--log') + 1]
  if (args.includes('--log') && logValue !== undefined && /^-\d/.test(logValue)) readLogRecords(logValue)
  const { slot, only, log, repair, yes, json } = readOptions(args, {
    slot: { type: 'string' },
    only: { type: 'string' },
    log: { type: 'string' },
    repair: { type: 'boolean', default: false },
    yes: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  })
  const slotId = slot === undefined ? null : slotIdValue('--slot', slot)
  if (yes && !repair) throw new UsageFault('--yes belongs to --repair')
  if (json && repair && !yes) throw new UsageFault('--json --repair cannot ask: it needs --yes')
  const audit = { only: readChecks(only, slotId), slotId, logRecordsMax: readLogRecords(log) }
  return { audit, repair, yes, json }
}

function readChecks(only: string | undefined, slotId: string | null): readonly CheckName[] {
  if (only === undefined) return slotId === null ? checkNames : slotChecks
  return only.split(',').map((name) => {
    if (!isCheckName(name))
      throw new UsageFault(`--only: there is no check ${name}; there are ${checkNames.join(', ')}`)
    if (slotId !== null && !slotChecks.includes(name))
      throw new UsageFault(
        `--only: ${name} is not about one slot; with --slot there are ${slotChecks.join(', ')}`,
      )
    return name
  })
}

function readLogRecords(text: string | undefined): number {
  if (text === undefined) return auditDefaults.logRecordsMax
  if (text === 'all') return Number.MAX_SAFE_INTEGER
  return wholeNumber('--log', text, 1)
}

async function auditAndRepair(
  audited: AuditDeps,
  repairing: RepairDeps,
  options: Options,
  { say }: Context,
): Promise<number> {
  const report = await auditWithProgress(audited, options)
  if (!options.repair) {
    say(options.json ? JSON.stringify(auditJson(report)) : auditText(report))
    return exitCodeOf(report)
  }
  const plan = await planRepair(repairing, report.findings)
  if (!options.json) {
    say(auditText(report))
    say(planHeading(report, plan))
    if (plan.repairs.length + plan.refused.length > 0) say(planText(plan))
    if (report.findings.length < report.findingsTotal)
      say(
        `only the first ${report.findings.length} of ${report.findingsTotal} findings are looked at: run --repair again afterwards`,
      )
  }
  const question = 'Repair this? The writers concerned are fenced.'
  if (plan.repairs.length > 0 && !(await confirmed({ question, yes: options.yes }))) return exitCodeOf(report)
  const done = await repairAll(repairing, plan, (result) => {
    if (!options.json) say(repairText(result))
  })
  const after = plan.repairs.length === 0 ? report : await auditWithProgress(audited, options)
  if (options.json) say(JSON.stringify({ ...auditJson(report), repair: repairJson(plan, done, after) }))
  else if (plan.repairs.length > 0) {
    say('')
    say(auditText(after))
    if (after.findings.length < after.findingsTotal)
      say('not all findings were looked at: run --repair again')
  }
  return exitCodeOf(after)
}

function planHeading({ findingsTotal }: AuditReport, { repairs }: RepairPlan): string {
  if (findingsTotal === 0) return 'nothing to repair'
  return repairs.length === 0 ? 'nothing that was found can be repaired' : 'what a repair changes:'
}

function exitCodeOf({ findingsTotal, complete }: AuditReport): number {
  if (findingsTotal > 0) return FOUND_EXIT_CODE
  return complete ? 0 : INCOMPLETE_EXIT_CODE
}

/** One slot after the other; each is told as soon as it is done. */
async function repairAll(
  deps: RepairDeps,
  { repairs }: RepairPlan,
  onDone: (result: RepairResult) => void,
): Promise<readonly RepairResult[]> {
  const results: RepairResult[] = []
  for (const repair of repairs) {
    const result: RepairResult = await repairSlot(deps, repair).catch((error: unknown) => {
      return { slotId: repair.slotId, fault: error instanceof Error ? error.message : String(error) }
    })
    results.push(result)
    onDone(result)
  }
  return results
}

/** Each stage of the audit has a progress line of its own, on stderr. */
async function auditWithProgress(deps: AuditDeps, { audit }: Options): Promise<AuditReport> {
  const nowMs = () => performance.now()
  const meterOf = (unit: string) =>
    createProgressMeter({ stream: process.stderr, unit, startedMs: nowMs(), nowMs })
  let stage = ''
  let meter = meterOf(stage)
  const onProgress = (progress: AuditProgress): void => {
    if (progress.stage !== stage) {
      meter.clear()
      stage = progress.stage
      meter = meterOf(stage)
    }
    meter.report(progress.done, progress.total)
  }
  return runAudit(deps, audit, onProgress).finally(() => meter.clear())
}
