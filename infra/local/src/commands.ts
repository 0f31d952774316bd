/** Runs short commands of the machine and finds programs on PATH. */

import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { inheritedEnvironment } from './config.ts'

export interface Outcome {
  readonly code: number
  readonly output: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly user?: { readonly uid: number; readonly gid: number } | null
  readonly timeoutMs?: number
  /** Kills the command when it aborts. */
  readonly signal?: AbortSignal
  /** Called with each line as it comes, for progress. */
  readonly onLine?: (line: string) => void
}

/** Runs a command to its end. Never throws: a command that is not there has code 127. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, [...args], {
      cwd: options.cwd,
      env: options.env ?? inheritedEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.user ? options.user : {}),
    })
    let output = ''
    let line = ''
    const take = (chunk: string) => {
      output += chunk
      const parts = (line + chunk).split(/\r?\n|\r/)
      line = parts.pop() ?? ''
      for (const part of parts) options.onLine?.(part)
    }
    child.stdout.setEncoding('utf8').on('data', take)
    child.stderr.setEncoding('utf8').on('data', take)
    child.once('error', (error) => resolve({ code: 127, output: error.message }))
    child.once('close', (code, by) => resolve({ code: code ?? (by === null ? 1 : 128), output }))
  })
}

/** Where a program is, or null. Looks through PATH and the folders of system programs. */
export function findProgram(name: string): string | null {
  const folders = [
    ...(inheritedEnvironment().PATH ?? '').split(delimiter),
    '/usr/local/bin',
    '/usr/bin',
    '/usr/sbin',
  ]
  for (const folder of folders) {
    if (folder !== '' && isExecutable(join(folder, name))) return join(folder, name)
  }
  return null
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
