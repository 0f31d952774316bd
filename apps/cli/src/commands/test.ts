import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, folders } from '@ironsys/local'
import type { Command } from '../command.ts'
import { runNode } from '../programs.ts'
import { readTestReport, testVerdict } from '../test-report.ts'

const VITEST = join(checkout, 'node_modules', 'vitest', 'vitest.mjs')

export const testCommand: Command = {
  name: 'test',
  summary: 'run the tests, on real servers of their own',
  usage: '[arguments of vitest]',
  details: `Arguments go to vitest: a part of a file's path, -t with a part of a test's name.
Files that end in .unit.test.ts and .sim.test.ts need no servers, and none are started for them alone.
Files that end in .tools.test.ts need nginx and Chromium: ./ironsys verify runs them, or --project=tools here.
Works while ./ironsys up runs: ports and folders are others. Skipped tests count as a failure.`,
  run: async (args, { environment, say }) => {
    mkdirSync(folders.state, { recursive: true })
    const report = join(folders.state, `test-report-${process.pid}.json`)
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const projects = args.some((argument) => argument.startsWith('--project')) ? [] : ['--project=!tools']
    const code = await runNode(VITEST, ['run', ...reporters, ...projects, ...args], { env: environment })
    const text = existsSync(report) ? readFileSync(report, 'utf8') : null
    rmSync(report, { force: true })
    const filtered = args.some((argument) => /^(-t|--testNamePattern)/.test(argument))
    const verdict = testVerdict(text === null ? null : readTestReport(text), code, filtered)
    for (const line of verdict.complaints) say(line)
    say(`Tests: ${verdict.passed} passed, ${verdict.failed} failed`)
    return verdict.ok ? 0 : Math.max(1, code)
  },
}
