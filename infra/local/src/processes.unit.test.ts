import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LocalFault } from './faults.ts'
import { pidPath, readPidFile, runningNames } from './pid-files.ts'
import { launch, stopByPidFile, tailOf, waitReady } from './processes.ts'
import { waitUntil } from './waiting.ts'

const FOREVER = 'setInterval(() => {}, 1000)'
const DEADLINE_MS = 10_000

let folder = ''
const going = new AbortController().signal
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ironsys-processes-'))
})
afterEach(async () => {
  for (const name of runningNames(folder))
    await stopByPidFile(folder, name, { signal: 'SIGKILL', deadlineMs: 5000 })
  rmSync(folder, { recursive: true })
})

function launchNode(script: string, signal = going) {
  return launch({ name: 'node', command: process.execPath, args: ['-e', script], folder, signal })
}

test('what a process says is in its log, and its name among those that run', async () => {
  const running = await launchNode(`console.log('hello'); ${FOREVER}`)
  await waitReady(
    running,
    async () => readFileSync(running.logPath, 'utf8').includes('hello'),
    DEADLINE_MS,
    going,
  )
  expect(runningNames(folder)).toEqual(['node'])
  expect(await stopByPidFile(folder, 'node', { signal: 'SIGTERM', deadlineMs: DEADLINE_MS })).toBe(true)
  expect(await running.exited).toBe('killed by SIGTERM')
  expect(await stopByPidFile(folder, 'node', { signal: 'SIGTERM', deadlineMs: DEADLINE_MS })).toBe(false)
})

test('a process that ends before it is ready is a fault that shows its last words', async () => {
  const running = await launchNode("console.error('no such table'); process.exit(3)")
  const waiting = waitReady(running, async () => false, DEADLINE_MS, going)
  await expect(waiting).rejects.toThrow(/node ended before it was ready \(exit code 3\)/)
  await expect(waiting).rejects.toMatchObject({ logTail: 'no such table' })
})

test('the answer of somebody else does not count for a process that has ended', async () => {
  const running = await launchNode('process.exit(1)')
  await running.exited
  await expect(waitReady(running, async () => true, DEADLINE_MS, going)).rejects.toThrow(/ended before/)
})

test('a process that does not listen is killed after the deadline', async () => {
  const running = await launchNode(`process.on('SIGTERM', () => {}); console.log('deaf'); ${FOREVER}`)
  expect(await waitUntil(() => tailOf(running.logPath) === 'deaf', DEADLINE_MS)).toBe(true)
  await stopByPidFile(folder, 'node', { signal: 'SIGTERM', deadlineMs: 100 })
  expect(await running.exited).toBe('killed by SIGKILL')
  expect(readPidFile(pidPath(folder, 'node'))).toBeNull()
})

test('nothing starts after it was called off', async () => {
  await expect(launchNode(FOREVER, AbortSignal.abort())).rejects.toThrow(LocalFault)
  expect(runningNames(folder)).toEqual([])
})

test('a program that is not there is named', async () => {
  const missing = launch({ name: 'x', command: join(folder, 'missing'), args: [], folder, signal: going })
  await expect(missing).rejects.toThrow(/cannot run .*missing/)
})
