import { describe, expect, test } from 'vitest'
import { differences, patchBetween, patched, patchSchema, readOverrides, settingsWith } from './overrides.ts'
import { boundsText, readSetting, type SettingValue } from './setting.ts'
import {
  environmentName,
  isSettingName,
  type SettingName,
  type Settings,
  settingNames,
  settingOf,
  settingsSchema,
} from './settings-table.ts'

const standards: Settings = settingsSchema.parse(
  Object.fromEntries(settingNames.map((name) => [name, settingOf(name).standard])),
)

/** The ends of what a setting may be, and what lies just beyond. */
function edges(name: SettingName): { readonly good: SettingValue[]; readonly bad: unknown[] } {
  const { type } = settingOf(name)
  switch (type.kind) {
    case 'whole':
      return { good: [type.min, type.max], bad: [type.min - 1, type.max + 1, type.min + 0.5, `${type.min}`] }
    case 'decimal':
      return { good: [type.min, type.max], bad: [type.min - 0.01, type.max + 0.01, Number.NaN, true] }
    case 'rate':
      return { good: [0, type.min, type.max], bad: [-1, type.min / 2, type.max + 1, '0'] }
    case 'choice':
      return { good: [...type.values], bad: ['', 'INFO', 0] }
  }
}

describe.each(settingNames)('%s', (name) => {
  test('takes what lies within its bounds, and nothing else', () => {
    const { good, bad } = edges(name)
    for (const value of good)
      expect(readOverrides({ [name]: value })).toEqual({ overrides: { [name]: value } })
    for (const value of [...bad, null, {}, []]) {
      expect(readOverrides({ [name]: value })).toMatchObject({
        overrides: null,
        why: expect.stringContaining(name),
      })
    }
  })

  test('says what it is, and reads what it says', () => {
    const { type, help, standard } = settingOf(name)
    expect(help).toMatch(/^[A-Z].*\.$/)
    for (const value of edges(name).good) expect(readSetting(type, String(value))).toBe(value)
    expect(readSetting(type, String(standard))).toBe(standard)
    if (type.kind !== 'choice') {
      for (const text of ['', '-1', '1e3', '0x1', 'Infinity', ' 1', '1.'])
        expect(readSetting(type, text)).toBeNull()
    }
    expect(boundsText(type)).not.toBe('')
  })
})

test('a variable has the name of its setting', () => {
  expect(environmentName('rateIpPerSecond')).toBe('RATE_IP_PER_SECOND')
  expect(environmentName('logLevel')).toBe('LOG_LEVEL')
})

test.each(['rateIp', '__proto__', 'constructor', 'toString', ''])('%j is no setting', (name) => {
  expect(isSettingName(name)).toBe(false)
  expect(readOverrides(JSON.parse(`{ ${JSON.stringify(name)}: 1 }`)).overrides).toBeNull()
  expect(patchSchema.safeParse(JSON.parse(`{ ${JSON.stringify(name)}: 1 }`)).success).toBe(false)
})

describe('a version', () => {
  const before = { slowRequestMs: 10, logLevel: 'warn', traceRatio: 0.5 } as const

  test('is what was in force with the patch over it; null takes an override back', () => {
    expect(patched(before, { slowRequestMs: 20, logLevel: null, rateIpBurst: 7 })).toEqual({
      slowRequestMs: 20,
      traceRatio: 0.5,
      rateIpBurst: 7,
    })
    expect(patched(before, {})).toEqual(before)
    expect(patched({}, { logLevel: null })).toEqual({})
  })

  test('that would break a rule is not made', () => {
    expect(() => patched(before, { slowRequestMs: -1 })).toThrow('slowRequestMs')
  })

  test('is read as a whole or not at all', () => {
    expect(readOverrides({ ...before, somethingNew: 1 })).toMatchObject({
      overrides: null,
      why: expect.stringContaining('somethingNew'),
    })
    expect(readOverrides({ ...before, slowRequestMs: 1e9 })).toMatchObject({ overrides: null })
  })

  test('overrides the defaults and nothing else', () => {
    expect(settingsWith(standards, before)).toEqual({ ...standards, ...before })
    expect(settingsWith(standards, {})).toEqual(standards)
  })

  test('differs from another where a value or the lack of one does; the patch between them makes one of the other', () => {
    const after = { slowRequestMs: 10, logLevel: 'info', cacheFreshMs: 100 } as const
    expect(differences(before, after)).toEqual([
      { name: 'logLevel', from: 'warn', to: 'info' },
      { name: 'traceRatio', from: 0.5, to: null },
      { name: 'cacheFreshMs', from: null, to: 100 },
    ])
    expect(patched(before, patchBetween(before, after))).toEqual(after)
    expect(patched(after, patchBetween(after, before))).toEqual(before)
  })
})
