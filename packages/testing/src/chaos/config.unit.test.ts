import { expect, test } from 'vitest'
import { ChaosUsageFault, readChaosConfig } from './config.ts'
import { faultKinds } from './fault-plan.ts'

test('without arguments: five minutes of everything under a seed that is drawn, and said', () => {
  const config = readChaosConfig([], () => 42)
  expect(config).toMatchObject({ minutes: 5, seed: 42, perSecond: 300, rollingOnly: false, jsonPath: null })
  expect(config.faults).toEqual(faultKinds)
  expect(config.command).toBe('./ironsys chaos --seed 42')
})

test('the command repeats the run', () => {
  const given = ['--minutes', '1', '--faults', 'kill-worker,redis', '--count', '3', '--json', 'out.json']
  const config = readChaosConfig(given, () => 7)
  expect(config.command).toBe('./ironsys chaos --minutes 1 --faults kill-worker,redis --count 3 --seed 7')
  const again = readChaosConfig(config.command.split(' ').slice(2))
  expect(again).toEqual({ ...config, jsonPath: null })
  expect(again.faults.filter((kind) => !kind.includes('redis'))).toEqual(['kill-worker'])
})

test.each([
  [['--faults', 'kill-everything'], /there is no kill-everything; there are: worker, /],
  [['--minutes', 'many'], /--minutes/],
  [['--seed', '-1'], /--seed|argument/],
  [['--rate', '1'], /--rate/],
  [['--unknown'], /unknown/],
])('%j is refused with a reason', (args, reason) => {
  expect(() => readChaosConfig(args)).toThrow(ChaosUsageFault)
  expect(() => readChaosConfig(args)).toThrow(reason)
})
