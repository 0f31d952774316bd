import { LocalFault } from '@ironsys/local'
import {
  boundsText,
  type Changed,
  type ChangeRequest,
  createSettingsStore,
  differences,
  isReadable,
  NOTE_LENGTH_MAX,
  noteSchema,
  type Overrides,
  patched,
  type RolledBack,
  readSetting,
  type SettingName,
  type SettingsPatch,
  type SettingsStore,
  type SettingsVersion,
  type SettingValue,
  settingOf,
  settingsSchema,
} from '@ironsys/settings'
import { readArguments } from '../arguments.ts'
import { type Command, UsageFault } from '../command.ts'
import { operatorName } from '../dead-letters.ts'
import { withPool } from '../deployment.ts'
import { wholeNumber } from '../option-values.ts'
import { printableLine } from '../printable.ts'
import { differenceLines, versionLine } from '../settings-text.ts'
import { CONFIG_PURPOSE, settingName } from './config-look.ts'

/** Takes an override back. */
const DEFAULT_WORD = 'default'

const noteDetails = `  --note     why, up to ${NOTE_LENGTH_MAX} characters; kept with who and when`
const dryRunDetails = '  --dry-run  show what would change, store nothing'

export const configSetCommand: Command = {
  name: 'config set',
  summary: 'change settings of every API process, within a second',
  usage: '<name>=<value>… [--note <text>] [--dry-run]',
  details: `Shows what changes, and stores it as a new version. <name>=${DEFAULT_WORD} takes an override back: the environment of each
process says then what it is. If somebody else changes settings in the same moment, nothing is stored.

${noteDetails}
${dryRunDetails}

  ./ironsys config set rateIpPerSecond=100 rateIpBurst=300 --note 'a flood from one network'`,
  run: async (args, { config, say }) => {
    const { words, note, dryRun } = readChange(args)
    const patch = patchOf(words)
    return withPool(config, CONFIG_PURPOSE, async (pool) => {
      const store = createSettingsStore(pool)
      const newest = await store.newest()
      const before = readableOverrides(newest)
      return storeShown({ newest, before, after: patched(before, patch), dryRun, say }, (ifVersion) =>
        store.change(patch, { by: operatorName(), note, ifVersion }),
      )
    })
  },
}

export const configRollbackCommand: Command = {
  name: 'config rollback',
  summary: 'store the content of an earlier version again',
  usage: '[<version>] [--note <text>] [--dry-run]',
  details: `Without a version it takes the newest change back; once more, it brings that change again. 0 is the time before anything
was stored: the environment of each process alone. ./ironsys config history lists the versions.

${noteDetails}
${dryRunDetails}`,
  run: async (args, { config, say }) => {
    const { words, note, dryRun } = readChange(args)
    const [text, ...more] = words
    if (more.length > 0) throw new UsageFault('config rollback takes one version')
    const version = text === undefined ? null : wholeNumber('version', text, 0)
    return withPool(config, CONFIG_PURPOSE, async (pool) => {
      const store = createSettingsStore(pool)
      const newest = await store.newest()
      const after = await contentOf(store, newest, version)
      const before = newest !== null && isReadable(newest) ? newest.overrides : null
      return storeShown({ newest, before, after, dryRun, say }, (ifVersion) =>
        store.rollBack(version, { by: operatorName(), note, ifVersion }),
      )
    })
  },
}

interface Shown {
  readonly newest: SettingsVersion | null
  /** Null: the newest version is of other software. */
  readonly before: Overrides | null
  readonly after: Overrides
  readonly dryRun: boolean
  readonly say: (line: string) => void
}

/** What is shown is what is stored, or nothing is. */
async function storeShown(
  { newest, before, after, dryRun, say }: Shown,
  write: (ifVersion: number) => Promise<Changed | RolledBack>,
): Promise<number> {
  const changes = differences(before ?? {}, after)
  if (before !== null && changes.length === 0) {
    say(`nothing changes: ${versionLine(newest)}`)
    return 0
  }
  if (before === null)
    say(`version ${newest?.version} is of other software and is left; stored is from then on`)
  if (changes.length > 0) say(differenceLines(changes))
  else say('  nothing: the environment of each process alone')
  if (dryRun) {
    say('nothing was stored')
    return 0
  }
  const written = await write(newest?.version ?? 0)
  switch (written.result) {
    case 'changed':
      say(`stored as version ${written.to.version}: in force at every API process within a second`)
      return 0
    case 'unchanged':
      say(`nothing changes: ${versionLine(written.at)}`)
      return 0
    case 'conflict':
      throw new LocalFault(
        `somebody stored version ${written.newest} in this moment, and nothing was stored here: look at it and repeat`,
      )
    case 'unreadable':
      throw unreadableFault(written.version)
    case 'no-such-version':
      throw new LocalFault('the version is not kept any more')
  }
}

function readableOverrides(newest: SettingsVersion | null): Overrides {
  if (newest === null) return {}
  if (isReadable(newest)) return newest.overrides
  throw unreadableFault(newest)
}

/** Of the version that is rolled back to. */
async function contentOf(
  store: SettingsStore,
  newest: SettingsVersion | null,
  version: number | null,
): Promise<Overrides> {
  if (version === 0) return {}
  if (newest === null) throw new LocalFault('nothing was ever stored: there is nothing to roll back')
  const before = version === null ? newest.version : version + 1
  const [wanted] = await store.history(1, before)
  if (version === null && wanted === undefined) return {}
  if (wanted === undefined || (version !== null && wanted.version !== version)) {
    throw new LocalFault(
      `there is no version ${version}, or not any more: ./ironsys config history lists them`,
    )
  }
  if (!isReadable(wanted)) throw unreadableFault(wanted)
  return wanted.overrides
}

function unreadableFault({ version, why }: SettingsVersion & { readonly why: string }): LocalFault {
  return new LocalFault(
    `version ${version} is of other software (${printableLine(why)}): ./ironsys config rollback leaves it`,
  )
}

function readChange(args: readonly string[]) {
  const { values, positionals } = readArguments(args, {
    note: { type: 'string' },
    'dry-run': { type: 'boolean', default: false },
  })
  const note = values.note?.trim() ?? null
  if (note !== null && !noteSchema.safeParse(note).success) {
    throw new UsageFault(`--note: 1 to ${NOTE_LENGTH_MAX} printable characters`)
  }
  const noted: Pick<ChangeRequest, 'note'> = { note }
  return { words: positionals, dryRun: values['dry-run'], ...noted }
}

/** Throws {@link UsageFault} for what is no setting, or no value of it. */
function patchOf(words: readonly string[]): SettingsPatch {
  if (words.length === 0) throw new UsageFault('config set takes <name>=<value>, once or more')
  const patch: Partial<Record<SettingName, SettingValue | null>> = {}
  for (const word of words) {
    const at = word.indexOf('=')
    if (at < 0) throw new UsageFault(`${word} is no <name>=<value>`)
    const name = settingName(word.slice(0, at))
    if (patch[name] !== undefined) throw new UsageFault(`${name} is given twice`)
    patch[name] = settingValue(name, word.slice(at + 1))
  }
  return patch
}

function settingValue(name: SettingName, text: string): SettingValue | null {
  if (text === DEFAULT_WORD) return null
  const { type, unit } = settingOf(name)
  const value = settingsSchema.shape[name].safeParse(readSetting(type, text)).data
  if (value !== undefined) return value
  throw new UsageFault(`${name}: ${text} is not ${boundsText(type)}${unit === '' ? '' : `, in ${unit}`}`)
}
