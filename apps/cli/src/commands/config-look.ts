import { LocalFault } from '@ironsys/local'
import {
  createSettingsStore,
  isReadable,
  isSettingName,
  type SettingName,
  settingNames,
  VERSIONS_KEPT,
} from '@ironsys/settings'
import { readArguments, readOptions } from '../arguments.ts'
import { type Command, UsageFault } from '../command.ts'
import { withPool } from '../deployment.ts'
import { wholeNumber } from '../option-values.ts'
import { printableLine } from '../printable.ts'
import { historyText, settingsTable, versionLine } from '../settings-text.ts'

export const CONFIG_PURPOSE = 'config'
const PAGE_VERSIONS = 10

export const configGetCommand: Command = {
  name: 'config get',
  summary: 'show what is stored, and where the rest comes from',
  usage: '[<name>…] [--json]',
  details: `All settings, or those that are named. A setting that is not stored is what the environment of each process says; what
one process has in force is at its operations port, GET /admin/config.

  --json  {"version": <number>, "overrides": {…}, "changed_by": …, "changed_at": …, "note": …}`,
  run: async (args, { config, say }) => {
    const { values, positionals } = readArguments(args, { json: { type: 'boolean', default: false } })
    const names = positionals.length === 0 ? settingNames : positionals.map(settingName)
    const newest = await withPool(config, CONFIG_PURPOSE, (pool) => createSettingsStore(pool).newest())
    if (newest !== null && !isReadable(newest)) {
      throw new LocalFault(
        `version ${newest.version} is of other software: ${printableLine(newest.why)}; ` +
          './ironsys config rollback leaves it',
      )
    }
    const overrides = newest?.overrides ?? {}
    if (values.json) {
      const { version = 0, changedBy = null, changedAt = null, note = null } = newest ?? {}
      const named = Object.fromEntries(
        Object.entries(overrides).filter(([name]) => names.some((n) => n === name)),
      )
      say(JSON.stringify({ version, overrides: named, changed_by: changedBy, changed_at: changedAt, note }))
    } else say(`${settingsTable(names, overrides)}\n\n${versionLine(newest)}`)
    return 0
  },
}

export const configHistoryCommand: Command = {
  name: 'config history',
  summary: 'list the versions, the newest first: who, when, why, and what each changed',
  usage: '[--limit <n>] [--before <version>] [--json]',
  details: `The last ${VERSIONS_KEPT} versions are kept.

  --limit   at most so many, 1 to ${VERSIONS_KEPT}; ${PAGE_VERSIONS} when it is not given
  --before  the page after the one that ended with this version
  --json    {"items": […], "next": <version or null>}`,
  run: async (args, { config, say }) => {
    const options = readOptions(args, {
      limit: { type: 'string', default: String(PAGE_VERSIONS) },
      before: { type: 'string' },
      json: { type: 'boolean', default: false },
    })
    const limit = wholeNumber('--limit', options.limit, 1, VERSIONS_KEPT)
    const before = options.before === undefined ? undefined : wholeNumber('--before', options.before, 1)
    // One more: what the last one of the page has changed is seen against it.
    const versions = await withPool(config, CONFIG_PURPOSE, (pool) =>
      createSettingsStore(pool).history(limit + 1, before),
    )
    const items = versions.slice(0, limit)
    const next = versions.length > limit ? (items.at(-1)?.version ?? null) : null
    if (options.json) say(JSON.stringify({ items, next }))
    else if (items.length === 0) say('nothing was ever stored')
    else say(historyText(items, versions[limit] ?? null))
    if (!options.json && next !== null) say(`\nthere are more: --before ${next}`)
    return 0
  },
}

/** Throws {@link UsageFault} for a name that is none. */
export function settingName(text: string): SettingName {
  if (isSettingName(text)) return text
  const near = settingNames.find((name) => name.toLowerCase() === text.toLowerCase())
  throw new UsageFault(
    `there is no setting ${text}${near === undefined ? ': ./ironsys config get lists all' : `: ${near} is one`}`,
  )
}
