/** The table of settings beside what it is about: the environment, the parts of the process, the documentation. */
import { readFileSync } from 'node:fs'
import { checkSnapshotCacheOptions, snapshotCacheDefaults } from '@ironsys/cache'
import { checkThresholds } from '@ironsys/circuit-breaker'
import {
  boundsText,
  environmentName,
  type LiveSettings,
  type SettingName,
  type Settings,
  type SettingValue,
  settingNames,
  settingOf,
  settingsSchema,
} from '@ironsys/settings'
import { describe, expect, test } from 'vitest'
import { breakerSettings } from './breaker-config.ts'
import { snapshotCacheOptions } from './cache-config.ts'
import { readConfig } from './config.ts'
import { limitsOf } from './limit-config.ts'
import {
  breakersOf,
  cacheWindowsOf,
  followParts,
  rateLimitsOf,
  settingDefaults,
  sheddingOf,
} from './runtime-settings.ts'
import { shedThresholdsOf } from './shed-config.ts'

const required = {
  DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
  REDIS_URL: 'redis://127.0.0.1:1',
  KAFKA_BROKERS: '127.0.0.1:1',
  ID_KEY: 'a'.repeat(64),
  CURSOR_KEYS: `a:${'a'.repeat(64)}`,
}

const withVariable = (name: SettingName, value: unknown) =>
  readConfig({ ...required, [environmentName(name)]: String(value) })

function ends(name: SettingName): readonly [SettingValue, SettingValue] {
  const { type } = settingOf(name)
  return type.kind === 'choice' ? [type.values[0] ?? '', type.values.at(-1) ?? ''] : [type.min, type.max]
}

const allAt = (end: 0 | 1): Settings =>
  settingsSchema.parse(Object.fromEntries(settingNames.map((name) => [name, ends(name)[end]])))

describe.each(settingNames)('%s', (name) => {
  test('has in the environment the same bounds and the same default', () => {
    expect(settingDefaults(readConfig(required))[name]).toBe(settingOf(name).standard)
    for (const end of ends(name)) expect(settingDefaults(withVariable(name, end))[name]).toBe(end)
    const { type } = settingOf(name)
    const beyond = type.kind === 'choice' ? ['LOUD'] : [type.min - 1, type.max + 1]
    for (const value of beyond) expect(() => withVariable(name, value)).toThrow(environmentName(name))
  })
})

test('each part gets what it would have got from the environment', () => {
  // Each another value: what is taken for something else shows.
  const values = settingNames.map((name, index) => {
    const { type } = settingOf(name)
    return [
      environmentName(name),
      type.kind === 'choice' ? 'warn' : Math.min(type.max, Math.ceil(type.min) + index),
    ]
  })
  const config = readConfig({
    ...required,
    ...Object.fromEntries(values.map(([name, value]) => [name, `${value}`])),
  })
  const now = settingDefaults(config)
  expect(rateLimitsOf(now)).toEqual(limitsOf(config))
  expect(breakersOf(now)).toEqual(breakerSettings(config))
  expect({ ...snapshotCacheOptions(config), ...cacheWindowsOf(now) }).toEqual(snapshotCacheOptions(config))
  expect(sheddingOf(now)).toEqual(shedThresholdsOf(config))
})

test.each([0, 1] as const)('what is within the bounds is refused by no part (end %i)', (end) => {
  const now = allAt(end)
  const thresholds = breakersOf(now)
  for (const each of [thresholds.kafka, thresholds.postgres, thresholds.redis]) checkThresholds(each)
  checkSnapshotCacheOptions({ ...snapshotCacheDefaults, ...cacheWindowsOf(now) })
})

test('each part follows what is its own', () => {
  const follow: ((next: Settings) => void)[] = []
  const live: Pick<LiveSettings, 'on'> = {
    on: (part, apply) => void follow.push((next) => apply(part(next))),
  }
  const got = new Map<string, unknown>()
  const part = (name: string) => ({ configure: (options: unknown) => void got.set(name, options) })
  followParts(live, {
    slots: part('slots'),
    limiter: part('limiter'),
    breakers: part('breakers'),
    shedder: part('shedder'),
  })
  const defaults = settingDefaults(readConfig(required))
  const now = { ...defaults, rateIpPerSecond: 0, breakerVolume: 7, cacheFreshMs: 30, shedLagMs: 9 }
  for (const tell of follow) tell(now)
  expect(Object.fromEntries(got)).toMatchObject({
    slots: { freshMs: 30 },
    limiter: { ip: null, user: { burst: 1000 } },
    breakers: { kafka: { volume: 7 }, redis: { volume: 7 } },
    shedder: { lagMs: 9 },
  })
})

test('docs/settings.md lists the table: name, values, unit, variable and default, help', () => {
  const page = readFileSync(new URL('../../../docs/settings.md', import.meta.url), 'utf8')
  const rows = page.split('\n').filter((line) => /^\| `[a-zA-Z]+` \|/.test(line))
  const expected = settingNames.map((name) => {
    const { type, unit, standard, help } = settingOf(name)
    return `| \`${name}\` | ${boundsText(type)} | ${unit} | \`${environmentName(name)}\` | ${standard} | ${help} |`
  })
  expect(rows).toEqual(expected)
})
