/** What is stored, how one version becomes the next, and what is in force with it: pure. */
import { z } from 'zod'
import type { SettingValue } from './setting.ts'
import { type SettingName, type Settings, settingNames, settingsSchema } from './settings-table.ts'

export const overridesSchema = settingsSchema.partial()

/** What a stored version says; of what it does not name, the environment of each process decides. */
export type Overrides = Readonly<z.infer<typeof overridesSchema>>

/** What is to be changed; null takes an override back. */
export const patchSchema = z.strictObject(
  Object.fromEntries(settingNames.map((name) => [name, settingsSchema.shape[name].nullable().optional()])),
)
export type SettingsPatch = Readonly<Partial<Record<SettingName, SettingValue | null>>>

export const NOTE_LENGTH_MAX = 500
/** Why something was changed, on one line: no control character, no lone surrogate, neither of which can be stored. */
export const noteSchema = z
  .string()
  .regex(
    new RegExp(`^\\P{C}{1,${NOTE_LENGTH_MAX}}$`, 'u'),
    `must be 1 to ${NOTE_LENGTH_MAX} printable characters`,
  )

/** A value of one setting before and after; null: the process's own default. */
export interface Difference {
  readonly name: SettingName
  readonly from: SettingValue | null
  readonly to: SettingValue | null
}

export type ReadOverrides =
  | { readonly overrides: Overrides }
  /** It is of other software, which has other settings or bounds. */
  | { readonly overrides: null; readonly why: string }

/** As a whole or not at all: half of what somebody has decided may be worse than nothing of it. */
export function readOverrides(stored: unknown): ReadOverrides {
  const read = overridesSchema.safeParse(stored)
  if (read.success) return { overrides: read.data }
  const faults = read.error.issues.map(({ path, message }) => [...path, message].join(': '))
  return { overrides: null, why: faults.join('; ') }
}

/** Throws a ZodError for a patch that is out of bounds. */
export function patched(before: Overrides, patch: SettingsPatch): Overrides {
  const values = Object.entries({ ...before, ...patch }).filter(([, value]) => value !== null)
  return overridesSchema.parse(Object.fromEntries(values))
}

/** What is in force. */
export function settingsWith(defaults: Settings, overrides: Overrides): Settings {
  return Object.assign({}, defaults, overrides)
}

/** In the order of the table. */
export function differences(before: Overrides, after: Overrides): readonly Difference[] {
  return settingNames
    .map((name) => ({ name, from: before[name] ?? null, to: after[name] ?? null }))
    .filter(({ from, to }) => from !== to)
}

/** The patch that makes `after` of `before`. */
export function patchBetween(before: Overrides, after: Overrides): SettingsPatch {
  return Object.fromEntries(differences(before, after).map(({ name, to }) => [name, to]))
}
