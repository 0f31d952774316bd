import { readdirSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { checkout, folders } from '@ironsys/local'
import { requireNoArguments } from '../arguments.ts'
import type { Command } from '../command.ts'
import { runProgram } from '../programs.ts'
import { requireStopped } from './clean.ts'

export const rebuildCommand: Command = {
  name: 'rebuild',
  summary: "fetch the toolchain, the dependencies and Kafka's jars anew",
  usage: '',
  details:
    'Removes node_modules and what was fetched into .ironsys, and installs again. The data stays (see clean).',
  run: async (args, { environment, say }) => {
    requireNoArguments(args)
    requireStopped()
    for (const folder of [...installedFolders(), join(folders.state, 'toolchain'), folders.jars]) {
      say(`removing ${relative(checkout, folder)}`)
      rmSync(folder, { recursive: true, force: true })
    }
    // The first thing that ./ironsys does is to get what is missing.
    return runProgram('/bin/sh', [join(checkout, 'ironsys'), 'version'], { env: environment })
  },
}

function installedFolders(): readonly string[] {
  const groups = ['apps', 'packages', 'infra'].flatMap((group) =>
    readdirSync(join(checkout, group)).map((name) => join(group, name)),
  )
  const all = ['.', 'load-tests', ...groups].map((folder) => join(checkout, folder, 'node_modules'))
  return all.filter((folder) => exists(folder))
}

function exists(folder: string): boolean {
  try {
    readdirSync(folder)
    return true
  } catch {
    return false
  }
}
