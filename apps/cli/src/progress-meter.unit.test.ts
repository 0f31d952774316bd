import { expect, test } from 'vitest'
import { createProgressMeter, progressLine } from './progress-meter.ts'

function meterOf(isTTY: boolean) {
  const written: string[] = []
  const clock = { ms: 1000 }
  const stream = { isTTY, write: (text: string) => written.push(text) }
  const meter = createProgressMeter({ stream, unit: 'things', startedMs: 1000, nowMs: () => clock.ms })
  return { written, clock, meter }
}

test('says how far, how fast and how long still', () => {
  expect(progressLine(120_000, 300_000, 3000, 'things')).toBe(
    '120000 of 300000 things (40%), 40000/s, 5 s left',
  )
  expect(progressLine(0, 300_000, 0, 'things')).toBe('0 of 300000 things (0%), 0/s')
  expect(progressLine(0, 0, 0, 'things')).toBe('0 of 0 things (100%), 0/s')
})

test('elsewhere than in a terminal it writes a line now and then', () => {
  const { written, clock, meter } = meterOf(false)
  for (let done = 0; done < 100; done++) {
    clock.ms += 100
    meter.report(done, 100)
  }
  meter.clear()
  expect(written).toEqual([
    '49 of 100 things (49%), 10/s, 6 s left\n',
    '99 of 100 things (99%), 10/s, 1 s left\n',
  ])
})

test('in a terminal it moves one line, and takes it away', () => {
  const { written, clock, meter } = meterOf(true)
  meter.report(1, 100)
  clock.ms += 250
  meter.report(2, 100)
  meter.clear()
  expect(written).toEqual(['\r\x1b[K2 of 100 things (2%), 8/s, 13 s left', '\r\x1b[K'])
})
