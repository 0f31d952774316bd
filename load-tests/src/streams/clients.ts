/** Processes full of clients, one per form of stream, and what arrives at them. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { appNodeOptions, checkout } from '@ironsys/local'
import { childEnvironment, type StreamClientsConfig } from '../config.ts'
import { LoadTestFault } from '../faults.ts'
import type { ClientsReport } from './clients-process.ts'

export type StreamForm = StreamClientsConfig['form']

export interface Clients {
  /** When the version had arrived, by `clockMs`, of each stream; rejects when that takes too long or a stream is lost. */
  arrived(version: number): Promise<readonly number[]>
  close(): Promise<void>
}

/** Resolves when all streams are open. `slotUrl`: whose streams. */
export async function openClients(
  slotUrl: string,
  {
    form,
    streams,
    patienceMs,
  }: { readonly form: StreamForm; readonly streams: number; readonly patienceMs: number },
): Promise<Clients> {
  const program = join(checkout, 'load-tests', 'src', 'streams', 'clients-process.ts')
  const child = fork(program, ['--url', slotUrl, '--form', form, '--streams', String(streams)], {
    execArgv: [...appNodeOptions],
    env: childEnvironment({}),
  })
  const waiting = createWaiting(child, `${form} clients`, patienceMs)
  try {
    await waiting.of('open')
  } catch (error) {
    await end(child)
    throw error
  }
  return { arrived: waiting.of, close: () => end(child) }
}

function createWaiting(child: ChildProcess, name: string, patienceMs: number) {
  const told = new Map<number | 'open', readonly number[]>()
  const waiters = new Map<number | 'open', PromiseWithResolvers<readonly number[]>>()
  let fault: LoadTestFault | null = null
  const fail = (why: string) => {
    fault = new LoadTestFault(`${name}: ${why}`)
    for (const waiter of waiters.values()) waiter.reject(fault)
  }
  child.on('message', (report: ClientsReport) => {
    if (report.kind === 'lost') {
      fail(`a stream was lost: ${report.why}`)
      return
    }
    const [what, atMs] = report.kind === 'open' ? (['open', []] as const) : [report.version, report.atMs]
    told.set(what, atMs)
    waiters.get(what)?.resolve(atMs)
  })
  child.on('exit', () => fail('their process ended'))
  return {
    async of(what: number | 'open'): Promise<readonly number[]> {
      if (fault !== null) throw fault
      const waiter = Promise.withResolvers<readonly number[]>()
      waiters.set(what, waiter)
      const known = told.get(what)
      if (known !== undefined) waiter.resolve(known)
      const late = () => waiter.reject(new LoadTestFault(`${name}: no ${what} within ${patienceMs / 1000} s`))
      const timer = setTimeout(late, patienceMs)
      try {
        return await waiter.promise
      } finally {
        clearTimeout(timer)
        waiters.delete(what)
        told.delete(what)
      }
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  if (child.connected) child.disconnect()
  await exited
}
