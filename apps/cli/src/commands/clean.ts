import { relative } from 'node:path'
import {
  chaosFolders,
  checkout,
  folders,
  LocalFault,
  pidPath,
  readPidFile,
  removeDocker,
  removeStack,
  stackFolders,
  stackIsRunning,
  stopStack,
  testFolders,
} from '@ironsys/local'
import { requireNoArguments } from '../arguments.ts'
import type { Command } from '../command.ts'
import { supervisor } from '../running.ts'

export const cleanCommand: Command = {
  name: 'clean',
  summary: "remove the local stack's data: database, log, cache, keys and log files",
  usage: '',
  details: `Asks nothing, and cannot be undone. Refuses while the stack runs. The toolchain and the dependencies stay (see
rebuild), and servers whose addresses the environment gives are not touched.`,
  run: async (args, { say }) => {
    requireNoArguments(args)
    requireStopped()
    await removeDocker(folders.stack)
    const stacks = [folders.stack, ...(await deadTestStacks())]
    const there = stacks.flatMap(stackFolders)
    for (const folder of there) say(`removing ${shown(folder)}`)
    for (const stack of stacks) removeStack(stack)
    say(there.length === 0 ? 'there was nothing to remove' : 'clean')
    return 0
  },
}

/** Throws a `LocalFault` while anything of the stack runs. */
export function requireStopped(): void {
  if (supervisor() !== null || stackIsRunning(folders.stack)) {
    throw new LocalFault('the stack runs: ./ironsys down first')
  }
}

/** What test runs that were killed, and crash tests that failed, have left; those that are under way stay. */
async function deadTestStacks(): Promise<readonly string[]> {
  const all = [...testFolders(), ...chaosFolders()]
  const dead = all.filter((folder) => readPidFile(pidPath(folder, 'test-run')) === null)
  for (const folder of dead) await stopStack(folder, true)
  return dead
}

function shown(folder: string): string {
  const inside = relative(checkout, folder)
  return inside.startsWith('..') ? folder : inside
}
