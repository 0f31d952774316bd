/** Starts and stops one long-running process: its output in a file, its pid in another. */

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inheritedEnvironment } from './config.ts'
import { EndedEarly, LocalFault } from './faults.ts'
import {
  isRunning,
  type ProcessMark,
  pidPath,
  readPidFile,
  removePidFile,
  writePidFile,
} from './pid-files.ts'
import { waitUntil } from './waiting.ts'

const TAIL_LINES = 15
const TAIL_BYTES = 64 * 1024
const KILL_DEADLINE_MS = 5000

export interface Launch {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** The stack's folder; the log goes to `logs/<name>.log`, the pid to `pids/<name>.pid` in it. */
  readonly folder: string
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly user?: { readonly uid: number; readonly gid: number } | null
  /** Aborted: nothing is started any more. */
  readonly signal: AbortSignal
}

export interface RunningProcess {
  readonly name: string
  readonly pid: number
  readonly logPath: string
  /** Resolves when the process has ended, with what it ended on. */
  readonly exited: Promise<string>
  hasExited(): boolean
}

export function logPath(folder: string, name: string): string {
  return join(folder, 'logs', `${name}.log`)
}

/**
 * Starts a process in a group of its own, so that a Ctrl-C in the terminal reaches only who stops it in order.
 *
 * Its log begins anew, but goes on where the process before was not stopped and left its pid file: what that one said
 * last is what one wants to read.
 */
export async function launch(options: Launch): Promise<RunningProcess> {
  if (options.signal.aborted) throw new LocalFault(`${options.name} was not started: interrupted`)
  mkdirSync(join(options.folder, 'logs'), { recursive: true })
  const path = logPath(options.folder, options.name)
  const log = openSync(path, existsSync(pidPath(options.folder, options.name)) ? 'a' : 'w')
  const child = spawn(options.command, [...options.args], {
    cwd: options.cwd ?? options.folder,
    env: options.env ?? inheritedEnvironment(),
    stdio: ['ignore', log, log],
    detached: true,
    ...(options.user ? options.user : {}),
  })
  closeSync(log)
  let ended = false
  const exited = endOf(child).then((how) => {
    ended = true
    return how
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (error) =>
      reject(new LocalFault(`${options.name}: cannot run ${options.command}: ${error.message}`)),
    )
  })
  child.unref()
  const pid = child.pid ?? 0
  writePidFile(pidPath(options.folder, options.name), pid)
  return { name: options.name, pid, logPath: path, exited, hasExited: () => ended }
}

/**
 * Waits until `probe` succeeds. Throws an {@link EndedEarly} with the log's tail when the process ends before, another
 * {@link LocalFault} when it is not ready within `deadlineMs` (it then still runs) or `signal` aborts.
 */
export async function waitReady(
  running: RunningProcess,
  probe: () => Promise<boolean>,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<void> {
  const ready = await waitUntil(probe, deadlineMs, () => running.hasExited() || signal.aborted)
  // A probe may be answered by somebody else's server while ours is already dead.
  if (ready && !running.hasExited()) return
  if (signal.aborted) throw new LocalFault(`${running.name}: the start was interrupted`)
  const log = `its log: ${running.logPath}`
  const tail = tailOf(running.logPath)
  if (running.hasExited()) {
    const how = await running.exited
    throw new EndedEarly(`${running.name} ended before it was ready (${how}); ${log}`, tail)
  }
  throw new LocalFault(`${running.name} is not ready after ${deadlineMs / 1000} s; ${log}`, tail)
}

export interface StopHow {
  /** The signal that asks it to end in good order. */
  readonly signal: NodeJS.Signals
  readonly deadlineMs: number
}

/** Stops the process that the pid file names: politely, and after the deadline with SIGKILL. True when one was there. */
export async function stopByPidFile(folder: string, name: string, how: StopHow): Promise<boolean> {
  const path = pidPath(folder, name)
  const mark = readPidFile(path)
  if (mark !== null) await stopProcess(mark, how)
  removePidFile(path)
  return mark !== null
}

/** As {@link stopByPidFile}, for a process whose mark is known. */
export async function stopProcess(mark: ProcessMark, how: StopHow): Promise<void> {
  send(mark, how.signal)
  if (await waitUntil(() => !isRunning(mark), how.deadlineMs)) return
  send(mark, 'SIGKILL')
  if (await waitUntil(() => !isRunning(mark), KILL_DEADLINE_MS)) return
  throw new LocalFault(`process ${mark.pid} does not end, not even on SIGKILL`)
}

/** The last lines of a file, for showing why something failed. */
export function tailOf(path: string, lines = TAIL_LINES): string {
  if (!existsSync(path)) return ''
  const size = statSync(path).size
  const text = readFileSync(path)
    .subarray(Math.max(0, size - TAIL_BYTES))
    .toString('utf8')
  return text.trimEnd().split('\n').slice(-lines).join('\n')
}

function send(mark: ProcessMark, name: NodeJS.Signals): void {
  if (!isRunning(mark)) return
  try {
    process.kill(mark.pid, name)
  } catch {
    // It ended between the check and the signal.
  }
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, by) => resolve(by === null ? `exit code ${code}` : `killed by ${by}`))
  })
}
