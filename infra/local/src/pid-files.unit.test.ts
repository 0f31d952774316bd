import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  claimPidFile,
  isRunning,
  markOf,
  pidPath,
  readPidFile,
  removePidFile,
  runningNames,
  writePidFile,
} from './pid-files.ts'

/** Above the largest pid that Linux and macOS give by default. */
const NO_PID = 2 ** 30

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ironsys-pids-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('a process finds itself', () => {
  const path = pidPath(folder, 'me')
  writePidFile(path, process.pid)
  expect(readPidFile(path)).toEqual(markOf(process.pid))
  expect(runningNames(folder)).toEqual(['me'])
})

test('a pid that went to another process is nobody', () => {
  const path = pidPath(folder, 'stranger')
  writePidFile(path, process.pid)
  writeFileSync(path, JSON.stringify({ pid: process.pid, started: 'in another life' }))
  expect(readPidFile(path)).toBeNull()
  expect(isRunning({ pid: process.pid, started: 'in another life' })).toBe(false)
  expect(runningNames(folder)).toEqual([])
})

test.each(['', 'nonsense', '{"pid":0,"started":"x"}', `{"pid":${NO_PID},"started":"x"}`])(
  'a file with %j names nobody',
  (text) => {
    const path = join(folder, 'broken.pid')
    writeFileSync(path, text)
    expect(readPidFile(path)).toBeNull()
  },
)

test('there is one claim at a time, and a dead one does not count', () => {
  const path = pidPath(folder, 'up')
  expect(claimPidFile(path, process.pid)).toBeNull()
  expect(claimPidFile(path, process.ppid)).toEqual(markOf(process.pid))
  removePidFile(path)
  writeFileSync(path, JSON.stringify({ pid: NO_PID, started: 'long ago' }))
  expect(claimPidFile(path, process.pid)).toBeNull()
  expect(readPidFile(path)).toEqual(markOf(process.pid))
})
