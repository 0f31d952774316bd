/**
 * Every setting that can be changed while the processes run: the one table. docs/settings.md lists the same, and a test of
 * the API compares bounds and defaults with those of its environment.
 */
import { z } from 'zod'
import { type Setting, settingKinds } from './setting.ts'

const HOUR_MS = 3_600_000
const TOKENS_MAX = 100_000_000
/** Below it a limit would rather be a ban. */
const RATE_MIN = 0.001

const registry = z.registry<Setting>()
const { whole, decimal, rate, choice } = settingKinds(registry)

const milliseconds = (min: number, max: number, standard: number, help: string) =>
  whole(min, max, { unit: 'ms', standard, help })

const logs = {
  logLevel: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    unit: '',
    standard: 'info',
    help: 'The least severe lines of the log that are written.',
  }),
  logOneOf: whole(0, 1_000_000_000, {
    unit: 'requests',
    standard: 0,
    help: 'One of so many normal requests of each route is logged at info; 0: none.',
  }),
  slowRequestMs: milliseconds(
    0,
    60_000,
    1000,
    'Requests that take longer are logged, unless they wait on purpose.',
  ),
  traceRatio: decimal(0, 1, {
    unit: 'share',
    standard: 0.01,
    help: 'How much of the requests without a `traceparent` is traced, where there is a collector.',
  }),
}

const cacheWindows = {
  cacheFreshMs: milliseconds(
    10,
    60_000,
    500,
    'A snapshot in memory is answered so long without a look at Redis.',
  ),
  cacheStaleWhileRevalidateMs: milliseconds(
    0,
    HOUR_MS,
    60_000,
    'After that it is answered for so long while it is looked up.',
  ),
  cacheStaleIfErrorMs: milliseconds(
    0,
    24 * HOUR_MS,
    300_000,
    'With Redis and Postgres away, the last known is answered for so long, marked as stale.',
  ),
  cacheSharedFreshMs: milliseconds(
    100,
    300_000,
    5000,
    'A snapshot in Redis is believed for so long, ± 20 %; then Postgres is asked.',
  ),
  cacheNegativeMs: milliseconds(0, 60_000, 500, 'An unknown id is answered for so long without asking.'),
}

const rateLimits = {
  rateIpPerSecond: perSecond(500, 'Requests of one address.'),
  rateIpBurst: burst(2000, 'How many of them may come at once.'),
  rateUserPerSecond: perSecond(100, 'Requests of one caller.'),
  rateUserBurst: burst(1000, 'How many of them may come at once.'),
  rateReadingPerSecond: perSecond(200_000, 'Requests to one endpoint that reads.'),
  rateReadingBurst: burst(400_000, 'How many of them may come at once.'),
  rateWritingPerSecond: perSecond(50_000, 'Requests to one endpoint that writes.'),
  rateWritingBurst: burst(100_000, 'How many of them may come at once.'),
  rateFinishingPerSecond: perSecond(50_000, 'Requests to one endpoint that confirms or cancels.'),
  rateFinishingBurst: burst(100_000, 'How many of them may come at once.'),
}

const breakers = {
  breakerErrorPercent: whole(1, 99, {
    unit: '%',
    standard: 50,
    help: 'A breaker opens when more of the calls of its window failed.',
  }),
  breakerVolume: whole(1, 1_000_000, {
    unit: 'calls',
    standard: 20,
    help: 'With fewer calls in the window their share of failures says nothing.',
  }),
  breakerWindowMs: milliseconds(1000, 600_000, 10_000, 'The window in which calls are counted.'),
  breakerOpenMs: milliseconds(10, 600_000, 1000, 'How long a breaker stays open before a call may probe.'),
  breakerKafkaSilentMs: silent('Kafka', 500),
  breakerPostgresSilentMs: silent('Postgres', 500),
  breakerRedisSilentMs: silent('Redis', 250),
  breakerKafkaCapacity: capacity('Kafka', 1000),
  breakerPostgresCapacity: capacity('Postgres', 2000),
  breakerRedisCapacity: capacity('Redis', 10_000),
}

const shedding = {
  shedQueueMessages: whole(0, 10_000, {
    unit: 'commands',
    standard: 2000,
    help: 'New work is shed while so many commands wait to be produced; 0: never for that.',
  }),
  shedLoopDelayMs: milliseconds(
    0,
    60_000,
    100,
    'New work is shed while the event loop is so late; 0: never for that.',
  ),
  shedLagMs: milliseconds(
    0,
    24 * HOUR_MS,
    15_000,
    'New work is shed while the slowest writer is so far behind; 0: never for that.',
  ),
  shedFinishingFactor: decimal(1, 100, {
    unit: 'times',
    standard: 2,
    help: 'How much higher these thresholds are for confirmations and cancellations.',
  }),
}

function perSecond(standard: number, help: string) {
  return rate(RATE_MIN, TOKENS_MAX, { unit: 'per second', standard, help: `${help} All processes together.` })
}

function burst(standard: number, help: string) {
  return decimal(1, TOKENS_MAX, { unit: 'requests', standard, help })
}

function silent(server: string, standard: number) {
  return milliseconds(0, 600_000, standard, `${server}'s breaker opens after so long without any answer.`)
}

function capacity(server: string, standard: number) {
  const help = `Calls to ${server} that may be under way at once in a process.`
  return whole(1, 1_000_000, { unit: 'calls', standard, help })
}

export const settingsSchema = z.strictObject({
  ...logs,
  ...cacheWindows,
  ...rateLimits,
  ...breakers,
  ...shedding,
})

/** A value for each setting. */
export type Settings = Readonly<z.infer<typeof settingsSchema>>
export type SettingName = keyof Settings

export const settingNames: readonly SettingName[] = settingsSchema.keyof().options

export function isSettingName(text: string): text is SettingName {
  return Object.hasOwn(settingsSchema.shape, text)
}

export function settingOf(name: SettingName): Setting {
  const setting = registry.get(settingsSchema.shape[name])
  if (setting === undefined) throw new Error(`setting ${name} has no facts`)
  return setting
}

/** The variable that gives a process its default. */
export function environmentName(name: SettingName): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
}
