/** What a setting is: its type with its bounds, what it is where nobody says otherwise, and a line of help. */
import { z } from 'zod'

export type SettingValue = string | number

export type SettingType =
  | { readonly kind: 'whole' | 'decimal'; readonly min: number; readonly max: number }
  /** So many per second; 0 switches off what it is the rate of. */
  | { readonly kind: 'rate'; readonly min: number; readonly max: number }
  | { readonly kind: 'choice'; readonly values: readonly string[] }

export interface SettingFacts {
  /** Empty where there is none. */
  readonly unit: string
  /** What it is where neither the environment nor anything stored says otherwise. */
  readonly standard: SettingValue
  readonly help: string
}

export interface Setting extends SettingFacts {
  readonly type: SettingType
}

type Registry = z.core.$ZodRegistry<Setting>

/** What makes the rows of a table: schemas, whose facts are kept in `registry`. */
export function settingKinds(registry: Registry) {
  return {
    whole: (min: number, max: number, facts: SettingFacts) =>
      z
        .int()
        .min(min)
        .max(max)
        .register(registry, { ...facts, type: { kind: 'whole', min, max } }),
    decimal: (min: number, max: number, facts: SettingFacts) =>
      z
        .number()
        .min(min)
        .max(max)
        .register(registry, { ...facts, type: { kind: 'decimal', min, max } }),
    rate: (min: number, max: number, facts: SettingFacts) =>
      z
        .union([z.literal(0), z.number().min(min).max(max)], {
          error: `Must be 0, which is off, or from ${min} to ${max}`,
        })
        .register(registry, { ...facts, type: { kind: 'rate', min, max } }),
    choice: <const T extends readonly [string, ...string[]]>(values: T, facts: SettingFacts) =>
      z.enum(values).register(registry, { ...facts, type: { kind: 'choice', values } }),
  }
}

/** The bounds, for people. */
export function boundsText(type: SettingType): string {
  switch (type.kind) {
    case 'whole':
      return `${type.min} to ${type.max}`
    case 'decimal':
      return `${type.min} to ${type.max}, with decimals`
    case 'rate':
      return `0 (off), or ${type.min} to ${type.max}`
    case 'choice':
      return type.values.join(', ')
  }
}

/** What a text stands for, its bounds not looked at; null where it is no value of the kind at all. */
export function readSetting(type: SettingType, text: string): SettingValue | null {
  switch (type.kind) {
    case 'whole':
      return /^\d{1,15}$/.test(text) ? Number(text) : null
    case 'decimal':
    case 'rate':
      return /^\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : null
    case 'choice':
      return text
  }
}
