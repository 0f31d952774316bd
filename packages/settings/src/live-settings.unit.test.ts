/** What a process does with what the store says; the store itself is tested on real servers. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { followSettings, type LiveSettings, POLL_MS, type SettingsObserver } from './live-settings.ts'
import type { Overrides } from './overrides.ts'
import type { ReadableVersion, SettingsVersion, UnreadableVersion } from './settings-store.ts'
import { type Settings, settingNames, settingOf, settingsSchema } from './settings-table.ts'

const defaults: Settings = settingsSchema.parse(
  Object.fromEntries(settingNames.map((name) => [name, settingOf(name).standard])),
)

const facts = { changedBy: 'ann', changedAt: '2026-06-01T12:00:00.000Z', note: null }
const readable = (version: number, overrides: Overrides): ReadableVersion => ({
  ...facts,
  version,
  overrides,
})
const unreadable = (version: number): UnreadableVersion => ({
  ...facts,
  version,
  overrides: null,
  stored: { somethingNew: 1 },
  why: 'somethingNew',
})

/** The newest last. */
let versions: SettingsVersion[]
let outage: Error | null
let asked: number
let told: string[]
let opened: LiveSettings[]

const isReadable = (version: SettingsVersion): version is ReadableVersion => version.overrides !== null
const store = {
  async newest() {
    asked++
    if (outage !== null) throw outage
    return versions.at(-1) ?? null
  },
  newestReadable: async () => versions.findLast(isReadable) ?? null,
}
const observer: SettingsObserver = {
  looked: () => undefined,
  changed: (to, changes) => void told.push(`changed ${to?.version ?? 0}: ${changes.map(({ name }) => name)}`),
  ignored: (version) => void told.push(`ignored ${version?.version ?? 'none'}`),
  lost: () => void told.push('lost'),
  found: () => void told.push('found'),
  failed: (error) => void told.push(`failed: ${error}`),
}

beforeEach(() => {
  vi.useFakeTimers()
  versions = []
  outage = null
  asked = 0
  told = []
  opened = []
})
afterEach(async () => {
  for (const live of opened) await live.close()
  vi.useRealTimers()
})

async function follow(): Promise<LiveSettings> {
  const live = await followSettings({ store, observer, random: () => 0.5 }, defaults)
  opened.push(live)
  return live
}

const nextLook = () => vi.advanceTimersByTimeAsync(POLL_MS)

test('before anything is stored the defaults are in force; what is stored at the start is, from the start', async () => {
  expect((await follow()).now()).toEqual(defaults)
  versions.push(readable(1, { slowRequestMs: 5 }))
  const live = await follow()
  expect([live.now(), live.version()?.version]).toEqual([{ ...defaults, slowRequestMs: 5 }, 1])
})

test('a newer version is in force after the next look, and what it takes back is the default again', async () => {
  const live = await follow()
  versions.push(readable(1, { slowRequestMs: 5, logLevel: 'warn' }))
  expect(live.now()).toEqual(defaults)
  await nextLook()
  expect(live.now()).toEqual({ ...defaults, slowRequestMs: 5, logLevel: 'warn' })
  versions.push(readable(3, { logLevel: 'warn' }))
  await nextLook()
  expect(live.now()).toEqual({ ...defaults, logLevel: 'warn' })
  versions.length = 0
  await nextLook()
  expect(live.now()).toEqual(defaults)
  expect(told).toEqual([
    'changed 1: logLevel,slowRequestMs',
    'changed 3: slowRequestMs',
    'changed 0: logLevel',
  ])
})

test('a part is told at once, then when it has changed and only then', async () => {
  versions.push(readable(1, { slowRequestMs: 5 }))
  const live = await follow()
  const seen: unknown[] = []
  live.on(
    ({ slowRequestMs, logLevel }) => ({ slowRequestMs, logLevel }),
    (part) => void seen.push(part),
  )
  expect(seen).toEqual([{ slowRequestMs: 5, logLevel: 'info' }])
  versions.push(readable(2, { slowRequestMs: 5, rateIpBurst: 9 }))
  await nextLook()
  expect(seen).toHaveLength(1)
  versions.push(readable(3, { slowRequestMs: 6 }))
  await nextLook()
  expect(seen.slice(1)).toEqual([{ slowRequestMs: 6, logLevel: 'info' }])
})

test('one who refuses is reported, and the others are told all the same', async () => {
  const live = await follow()
  const seen: number[] = []
  live.on(
    ({ slowRequestMs }) => slowRequestMs,
    (ms) => {
      if (ms === 5) throw new Error('not five')
    },
  )
  live.on(
    ({ slowRequestMs }) => slowRequestMs,
    (ms) => void seen.push(ms),
  )
  versions.push(readable(1, { slowRequestMs: 5 }))
  await nextLook()
  expect(seen).toEqual([defaults.slowRequestMs, 5])
  expect(told.at(-1)).toBe('failed: Error: not five')
})

test('what only other software can read is ignored as a whole, told once, until there is something else', async () => {
  versions.push(readable(1, { slowRequestMs: 5 }))
  const live = await follow()
  versions.push(unreadable(2))
  for (let i = 0; i < 3; i++) await nextLook()
  expect([live.now().slowRequestMs, live.version()?.version, live.ignored()?.version]).toEqual([5, 1, 2])
  versions.push(readable(3, { slowRequestMs: 7 }))
  await nextLook()
  expect([live.now().slowRequestMs, live.ignored()]).toEqual([7, null])
  expect(told.slice(1)).toEqual(['ignored 2', 'ignored none', 'changed 3: slowRequestMs'])
})

test('what is in force does not depend on when a process was started, nor on what it has missed', async () => {
  const early = await follow()
  versions.push(readable(1, { slowRequestMs: 5 }), unreadable(2))
  await nextLook()
  const late = await follow()
  for (const live of [early, late])
    expect([live.now().slowRequestMs, live.ignored()?.version]).toEqual([5, 2])
})

test('while the store does not answer what was in force stays so; an outage is told once', async () => {
  versions.push(readable(1, { slowRequestMs: 5 }))
  const live = await follow()
  outage = new Error('no connection')
  versions.push(readable(2, { slowRequestMs: 6 }))
  for (let i = 0; i < 5; i++) await nextLook()
  expect(live.now().slowRequestMs).toBe(5)
  outage = null
  await nextLook()
  expect(live.now().slowRequestMs).toBe(6)
  expect(told.slice(1)).toEqual(['lost', 'changed 2: slowRequestMs', 'found'])
})

test('a process does not begin without knowing what is in force', async () => {
  outage = new Error('no connection')
  await expect(follow()).rejects.toBe(outage)
})

test('a refresh sees what was stored before it, though a look is under way that does not', async () => {
  const live = await follow()
  const gate = Promise.withResolvers<void>()
  vi.spyOn(store, 'newest').mockImplementationOnce(async () => {
    await gate.promise
    return null
  })
  const underWay = live.refresh()
  versions.push(readable(1, { slowRequestMs: 5 }))
  const refreshed = live.refresh()
  gate.resolve()
  await underWay
  await refreshed
  expect(live.now().slowRequestMs).toBe(5)
})

test('nothing is asked after the close', async () => {
  const live = await follow()
  await live.close()
  const before = asked
  await vi.advanceTimersByTimeAsync(10 * POLL_MS)
  await live.refresh()
  expect(asked).toBe(before)
})
