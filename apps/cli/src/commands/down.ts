import {
  folders,
  LocalFault,
  pidPath,
  removePidFile,
  runningNames,
  stackIsRunning,
  stopStack,
  waitUntil,
} from '@ironsys/local'
import { stopApps } from '../apps.ts'
import { requireNoArguments } from '../arguments.ts'
import type { Command } from '../command.ts'
import { removeRunningState, supervisor } from '../running.ts'

const DOWN_DEADLINE_MS = 120_000

export const downCommand: Command = {
  name: 'down',
  summary: 'stop what ./ironsys up started',
  usage: '',
  details: 'The data stays: the next start goes on with it. Nothing else on the machine is touched.',
  run: async (args, { say }) => {
    requireNoArguments(args)
    if (!(await stopEverything(say))) say('nothing runs here')
    return 0
  },
}

/** Has the supervisor stop, or stops what a dead one left behind. True when there was anything to stop. */
export async function stopEverything(say: (line: string) => void): Promise<boolean> {
  const mark = supervisor()
  if (mark === null) return stopLeftovers(say)
  say(`stopping (process ${mark.pid})`)
  process.kill(mark.pid, 'SIGTERM')
  if (!(await waitUntil(() => supervisor() === null, DOWN_DEADLINE_MS))) {
    throw new LocalFault(`process ${mark.pid} does not end`)
  }
  // It may have been killed on the way.
  await stopLeftovers(say)
  say('everything is stopped')
  return true
}

/** Stops servers and apps whose supervisor is gone. True when there were any. */
export async function stopLeftovers(say: (line: string) => void): Promise<boolean> {
  const left = stackIsRunning(folders.stack)
  if (left) {
    const names = runningNames(folders.stack).filter((name) => name !== 'up')
    say(`stopping what an earlier start left behind: ${names.join(', ') || 'containers'}`)
    await stopApps(say)
    await stopStack(folders.stack, false, say)
  }
  removeRunningState()
  if (supervisor() === null) removePidFile(pidPath(folders.stack, 'up'))
  return left
}
