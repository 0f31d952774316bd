/** Runtime settings for people. Notes and names were written by people: nothing of them reaches a terminal unescaped. */
import {
  type Difference,
  differences,
  environmentName,
  isReadable,
  type Overrides,
  type SettingName,
  type SettingsVersion,
  type SettingValue,
  settingOf,
} from '@ironsys/settings'
import { printableLine } from './printable.ts'
import { textTable } from './text-table.ts'

/** One line per setting: what is stored, else where each process takes it from. */
export function settingsTable(names: readonly SettingName[], overrides: Overrides): string {
  const rows = names.map((name) => [name, stored(name, overrides[name] ?? null), settingOf(name).help])
  return textTable([['setting', 'value', 'what it is'], ...rows], { align: 'left' })
}

export function versionLine(version: SettingsVersion | null): string {
  if (version === null) return 'version 0: nothing is stored'
  const { version: number, changedAt, changedBy, note } = version
  const why = note === null ? '' : `: ${printableLine(note)}`
  return `version ${number}, ${changedAt}, ${printableLine(changedBy)}${why}`
}

/** One line per change, before and after. */
export function differenceLines(changes: readonly Difference[]): string {
  const rows = changes.map(({ name, from, to }) => [`  ${name}`, stored(name, from), '→', stored(name, to)])
  return textTable(rows, { align: 'left' })
}

/** Each version with what it changed, the newest first; `earlier` is the one before all of them, if there is one. */
export function historyText(versions: readonly SettingsVersion[], earlier: SettingsVersion | null): string {
  return versions
    .map(
      (version, index) => `${versionLine(version)}\n${changedText(version, versions[index + 1] ?? earlier)}`,
    )
    .join('\n')
}

/** Of what cannot be read, and of the first one, it is the whole. */
function changedText(version: SettingsVersion, before: SettingsVersion | null): string {
  if (!isReadable(version)) return `  cannot be read here: ${printableLine(version.why)}`
  const from = before !== null && isReadable(before) ? before.overrides : {}
  const changes = differences(from, version.overrides)
  return changes.length === 0 ? '  nothing is overridden' : differenceLines(changes)
}

function stored(name: SettingName, value: SettingValue | null): string {
  const { unit, standard } = settingOf(name)
  const withUnit = (text: SettingValue) => (unit === '' ? `${text}` : `${text} ${unit}`)
  return value === null ? `${environmentName(name)}, else ${withUnit(standard)}` : withUnit(value)
}
