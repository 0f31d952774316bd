import { randomBytes } from 'node:crypto'
import { readOptions } from '../arguments.ts'
import { type Command, UsageFault } from '../command.ts'
import { withDatabase } from '../database.ts'
import { slotIdValue } from '../option-values.ts'
import { printableLine } from '../printable.ts'
import { createProgressMeter } from '../progress-meter.ts'
import { type ReplayReport, replayLedger } from '../replay.ts'
import { currentAddresses } from '../running.ts'
import type { Difference } from '../side-tables.ts'

const MAX_LISTED = 100
const DIFFERENT_EXIT_CODE = 1

export const replayCommand: Command = {
  name: 'replay',
  summary: 'rebuild state from the ledger and prove it equal to the real one',
  usage: '--verify [--slot <id>] [--keep] [--json]',
  details: `Replays slot_ledger through the writer's own code into a side schema, within one transaction that sees one moment
of a system that goes on working, and compares slots and reservations in both directions, all columns. Not in the
ledger, so not compared: rejected reservations (they take no version) and slots.epoch.

  --verify     the comparison; so far the only thing replay does
  --slot <id>  only this slot; one that is neither stored nor in the ledger is a failure
  --keep       keep the side schema and its table of differences; without it nothing stays
  --json       one JSON object instead of text; progress goes to stderr

At most ${MAX_LISTED} differences are listed, all are counted. Memory is bounded by one page of the ledger; the side tables take
the disk that the real ones take. Exit code: 0 equal, ${DIFFERENT_EXIT_CODE} different or failed, 2 wrong usage.`,
  run: async (args, { config, say }) => {
    const options = readReplayOptions(args)
    const schema = `replay_${randomBytes(4).toString('hex')}`
    const startedMs = performance.now()
    const meter = createProgressMeter({
      stream: process.stderr,
      unit: 'ledger entries',
      startedMs,
      nowMs: () => performance.now(),
    })
    const { databaseUrl } = currentAddresses(config)
    const report = await withDatabase(databaseUrl, 'ironsys-replay', (client) =>
      replayLedger(client, { ...options, schema, maxListed: MAX_LISTED, progress: meter.report }),
    ).finally(meter.clear)
    const seconds = (performance.now() - startedMs) / 1000
    const kept = options.keep ? schema : null
    say(options.json ? reportJson(report, seconds, kept) : reportText(report, seconds, kept))
    return report.differenceCount === 0 ? 0 : DIFFERENT_EXIT_CODE
  },
}

function readReplayOptions(args: readonly string[]) {
  const { verify, slot, keep, json } = readOptions(args, {
    verify: { type: 'boolean', default: false },
    slot: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  })
  if (!verify) throw new UsageFault('replay does one thing so far: replay --verify')
  return { slotId: slot === undefined ? null : slotIdValue('--slot', slot), keep, json }
}

function reportJson(report: ReplayReport, seconds: number, keptSchema: string | null): string {
  return JSON.stringify({
    equal: report.differenceCount === 0,
    ledger_entries: report.entries,
    slots: report.slots,
    reservations: report.reservations,
    seconds: Number(seconds.toFixed(3)),
    entries_per_second: Math.round(report.entries / seconds),
    difference_count: report.differenceCount,
    differences: report.differences,
    kept_schema: keptSchema,
  })
}

function reportText(report: ReplayReport, seconds: number, keptSchema: string | null): string {
  const { entries, slots, reservations, differenceCount, differences } = report
  const rate = Math.round(entries / seconds)
  const unlisted = differenceCount - differences.length
  return [
    `replayed ${entries} ledger entries in ${seconds.toFixed(1)} s (${rate}/s): ${slots} slots, ${reservations} reservations`,
    ...differences.map((difference) => printableLine(differenceText(difference))),
    ...(unlisted > 0 ? [`… and ${unlisted} more`] : []),
    ...(keptSchema === null
      ? []
      : [`kept: schema ${keptSchema}; DROP SCHEMA ${keptSchema} CASCADE removes it`]),
    differenceCount === 0
      ? 'equal: state is what the ledger says (rejected reservations and epochs are not in the ledger)'
      : `DIFFERENT in ${differenceCount} places`,
  ].join('\n')
}

function differenceText({ table, id, column, stored, rebuilt }: Difference): string {
  if (table === 'slot_ledger') return `slot_ledger  ${stored}; the slot's state cannot be judged`
  const what = column === null ? 'row' : column
  return `${table} ${id}  ${what}: stored ${stored ?? 'none'}, rebuilt ${rebuilt ?? 'none'}`
}
