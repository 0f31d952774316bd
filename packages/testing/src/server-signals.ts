/** Killing, freezing and thawing servers that are processes of this machine, by their pid files. */
import { readFileSync } from 'node:fs'
import { type ProcessMark, pidPath, readPidFile, type ServerName, stopByPidFile } from '@ironsys/local'

const KILL = { signal: 'SIGKILL', deadlineMs: 10_000 } as const

/**
 * SIGKILL to all of the server's processes; resolves when it is gone. Postgres' children outlive it for a moment and would
 * keep the next start from its shared memory: they go too.
 */
export async function killServer(folder: string, name: ServerName): Promise<void> {
  signalServer(folder, name, 'SIGKILL')
  await stopByPidFile(folder, name, KILL)
}

/** To all of the server's processes: those of Postgres that serve a connection go on without their parent. */
export function signalServer(
  folder: string,
  name: ServerName,
  signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL',
): void {
  const { pid } = requireServer(folder, name)
  const children = name === 'postgres' ? childrenOf(pid) : []
  process.kill(pid, signal)
  for (const child of children) {
    try {
      process.kill(child, signal)
    } catch {
      // It has ended by itself, or noticed before us that its parent is gone.
    }
  }
}

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

function requireServer(folder: string, name: ServerName): ProcessMark {
  const mark = readPidFile(pidPath(folder, name))
  if (mark === null) throw new Error(`${name} does not run`)
  return mark
}
