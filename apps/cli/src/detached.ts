/** `up --detach`: the same supervisor in the background, whose output is shown until it is ready. */
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkout, folders, LocalFault, logPath, waitUntil } from '@ironsys/local'
import type { Context } from './command.ts'
import { apiUrl, runningState, supervisor } from './running.ts'

/** A first start may download for minutes. */
const READY_DEADLINE_MS = 20 * 60_000
const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

export async function startDetached(context: Context): Promise<number> {
  const first = supervisor()
  if (first !== null) {
    throw new LocalFault(
      `already running (process ${first.pid}): ${apiUrl(context.config)}; ./ironsys down stops it`,
    )
  }
  const path = logPath(folders.stack, 'up')
  mkdirSync(dirname(path), { recursive: true })
  const log = openSync(path, 'w')
  const child = spawn(process.execPath, [MAIN, 'up'], {
    cwd: checkout,
    env: context.environment,
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  let ended: number | null = null
  child.once('error', () => {
    ended = 1
  })
  child.once('exit', (code) => {
    ended = code ?? 1
  })
  const callOff = () => child.kill('SIGTERM')
  process.on('SIGINT', callOff)
  process.on('SIGTERM', callOff)
  const shown = follow(path)
  const ready = () => runningState()?.pid === child.pid
  await waitUntil(() => {
    shown.more()
    return ready() || ended !== null
  }, READY_DEADLINE_MS)
  shown.more()
  shown.close()
  process.removeListener('SIGINT', callOff)
  process.removeListener('SIGTERM', callOff)
  child.unref()
  if (ended !== null) return ended === 0 ? 1 : ended
  context.say('running in the background: ./ironsys logs shows what it says, ./ironsys down stops it')
  return 0
}

/** Copies what is new in the file to our own output. */
function follow(path: string): { more(): void; close(): void } {
  const file = openSync(path, 'r')
  const chunk = Buffer.alloc(64 * 1024)
  return {
    more: () => {
      for (;;) {
        const bytes = readSync(file, chunk)
        if (bytes === 0) return
        process.stdout.write(chunk.subarray(0, bytes).toString('utf8'))
      }
    },
    close: () => closeSync(file),
  }
}
