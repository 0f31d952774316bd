/** What processes used, from /proc (Linux; elsewhere nothing is known and nothing is shown). */
import { readdirSync, readFileSync } from 'node:fs'
import type { BenchStack, Pipeline } from './stack.ts'

/** Clock ticks per second of /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** User and system seconds of a process, its children that live and those it has reaped; null when unknown. */
export function cpuSeconds(pid: number): number | null {
  const stat = readStat(pid)
  if (stat === null) return null
  const children = pids().flatMap((other) => {
    const child = readStat(other)
    return child !== null && child.parent === pid ? child.own : []
  })
  return children.reduce((sum, seconds) => sum + seconds, stat.own + stat.reaped)
}

/** Seconds of CPU by process; null where that is not known. */
export type Cpu = Readonly<Record<string, number | null>>

/** Of every process of one pipeline. */
export function cpuOf({ serverPids }: BenchStack, { api, worker }: Pipeline): Cpu {
  const pids = { api: api.pid, worker: worker.pid, ...serverPids }
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuSeconds(pid)]))
}

export function differences(before: Cpu, after: Cpu): Cpu {
  return Object.fromEntries(
    Object.entries(after).map(([name, seconds]) => {
      const base = before[name]
      return [name, seconds === null || base === null || base === undefined ? null : seconds - base]
    }),
  )
}

export interface Memory {
  readonly nowMb: number
  /** The highest it ever was. */
  readonly peakMb: number
}

/** Resident memory; null when unknown. */
export function memory(pid: number): Memory | null {
  const status = readText(`/proc/${pid}/status`)
  if (status === null) return null
  const megabytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024
  return { nowMb: megabytes('VmRSS'), peakMb: megabytes('VmHWM') }
}

interface Stat {
  readonly parent: number
  readonly own: number
  readonly reaped: number
}

/** Fields of proc(5): 4 ppid, 14 utime, 15 stime, 16 cutime, 17 cstime; the name before them may hold spaces. */
function readStat(pid: number): Stat | null {
  const text = readText(`/proc/${pid}/stat`)
  if (text === null) return null
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const ticks = (field: number) => Number(fields[field - 3]) / TICKS_PER_SECOND
  return { parent: Number(fields[1]), own: ticks(14) + ticks(15), reaped: ticks(16) + ticks(17) }
}

function pids(): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0)
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
