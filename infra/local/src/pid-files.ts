/**
 * Who runs: one small file per process, in the stack's folder.
 *
 * A pid alone may have gone to a stranger since, after a crash or a reboot. So the file also says when the process
 * was started, and nothing is ever signalled whose start does not match.
 */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'

const pidFileSchema = z.object({ pid: z.int().positive(), started: z.string().min(1) })

/** A process and the moment it was started, in the system's own words. */
export type ProcessMark = z.infer<typeof pidFileSchema>

/** The mark of a running process, or null when there is none under this pid (or only a dead one not yet reaped). */
export function markOf(pid: number): ProcessMark | null {
  const started = process.platform === 'linux' ? startOnLinux(pid) : startByPs(pid)
  return started === null ? null : { pid, started }
}

export function isRunning(mark: ProcessMark): boolean {
  return markOf(mark.pid)?.started === mark.started
}

export function writePidFile(path: string, pid: number): ProcessMark | null {
  const mark = markOf(pid)
  if (mark === null) return null
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.new`, `${JSON.stringify(mark)}\n`)
  renameSync(`${path}.new`, path)
  return mark
}

/**
 * Writes the pid file unless a running process has one there. Returns null on success, else the process that was
 * first. Safe against two starts at the same moment.
 */
export function claimPidFile(path: string, pid: number): ProcessMark | null {
  mkdirSync(dirname(path), { recursive: true })
  const draft = `${path}.${pid}`
  writeFileSync(draft, `${JSON.stringify(markOf(pid))}\n`)
  try {
    for (;;) {
      if (linked(draft, path)) return null
      const first = readPidFile(path)
      if (first !== null) return first
      rmSync(path, { force: true })
    }
  } finally {
    rmSync(draft, { force: true })
  }
}

/** The process that the file names, or null when it does not run any more. */
export function readPidFile(path: string): ProcessMark | null {
  if (!existsSync(path)) return null
  try {
    const mark = pidFileSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
    return isRunning(mark) ? mark : null
  } catch {
    return null
  }
}

export function removePidFile(path: string): void {
  rmSync(path, { force: true })
}

export function pidPath(folder: string, name: string): string {
  return join(folder, 'pids', `${name}.pid`)
}

/** The names of the processes that run out of `folder`. */
export function runningNames(folder: string): readonly string[] {
  const pids = join(folder, 'pids')
  if (!existsSync(pids)) return []
  return readdirSync(pids)
    .filter((file) => file.endsWith('.pid'))
    .map((file) => file.slice(0, -'.pid'.length))
    .filter((name) => readPidFile(pidPath(folder, name)) !== null)
}

/** A link, unlike a write, fails when the name is taken. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

/** Field 22 of /proc/pid/stat counts clock ticks since boot, so the boot's id belongs to it. */
function startOnLinux(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return null
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot} ${fields[19]}`
  } catch {
    return null
  }
}

function startByPs(pid: number): string | null {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null
  } catch {
    return null
  }
}
