/** Every file of the checkout keeps the conventions, and every rule notices when one does not. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { importGraph, importsOf } from './import-graph.ts'
import * as tidy from './tidy.ts'

const root = join(import.meta.dirname, '..')
const skipped = new Set(['node_modules', '.git', '.ironsys', '.turbo', 'coverage'])

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (skipped.has(entry.name)) return []
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() ? [path] : []
  })
}

const dependencies = join(root, 'docs', 'dependencies.md')
const rules: Readonly<Record<string, tidy.Rule>> = {
  'a file has at most 300 lines': tidy.fileLength,
  'a file says what it is about': tidy.fileName,
  'the environment has one door': tidy.environmentAccess,
  'a test says what it costs': tidy.testSuffix,
  'all tests run': tidy.wholeTests,
  'tests do not sleep': tidy.noSleeps,
  'what is simulated has no time of its own': tidy.virtualTime,
  'imports go one way': importGraph,
  'there is one version of each dependency': tidy.catalogVersions,
  'each dependency has its reason': tidy.documentedDependencies(
    existsSync(dependencies) ? readFileSync(dependencies, 'utf8') : '',
  ),
  'nothing names a folder of one machine': tidy.noMachinePaths,
  'links lead somewhere': tidy.linksResolve((path) => existsSync(join(root, path))),
}

describe('the checkout', () => {
  const files = filesBelow(root)
    .filter((path) => /\.(ts|js|mjs|json|md|ya?ml|sh|sql|toml|xml)$|(^|\/)(Makefile|ironsys|run)$/.test(path))
    .map((path) => ({ path: relative(root, path), text: readFileSync(path, 'utf8') }))

  test('is seen', () => {
    expect(files.map((file) => file.path)).toContain('apps/cli/src/main.ts')
  })

  test.each(Object.entries(rules))('%s', (_name, rule) => {
    expect(files.flatMap((file) => rule(file).map((fault) => `${file.path}: ${fault}`))).toEqual([])
  })
})

describe('the rules notice', () => {
  const env = ['process', 'env'].join('.')
  const only = ['test', 'only'].join('.')
  const timer = ['set', 'Timeout'].join('')
  const machine = ['', 'work', 'main'].join('/')
  const bad: readonly [string, tidy.Rule, string, string][] = [
    ['a long file', tidy.fileLength, 'apps/api/src/long.ts', 'x\n'.repeat(301)],
    ['a name that says nothing', tidy.fileName, 'packages/kafka/src/string-utils.ts', ''],
    ['a second door', tidy.environmentAccess, 'apps/api/src/server.ts', `const port = ${env}.PORT`],
    ['a test without a cost', tidy.testSuffix, 'apps/api/src/server.test.ts', ''],
    ['a test singled out', tidy.wholeTests, 'a/b.unit.test.ts', `${only}('x', () => {})`],
    [
      'a test left out',
      tidy.wholeTests,
      'a/b.unit.test.ts',
      `${['describe', 'skip'].join('.')}('x', () => {})`,
    ],
    ['a sleep', tidy.noSleeps, 'a/b.unit.test.ts', `await new Promise((done) => ${timer}(done, 10))`],
    [
      'a version of its own',
      tidy.catalogVersions,
      'apps/api/package.json',
      '{"dependencies":{"pg":"8.0.0"}}',
    ],
    [
      'a dependency without a reason',
      rule('| zod, pino | why |'),
      'apps/api/package.json',
      '{"dependencies":{"pg":"catalog:"}}',
    ],
    ['a folder of one machine', tidy.noMachinePaths, 'docs/a.md', `cd ${machine}`],
    ['a dead link', tidy.linksResolve(() => false), 'README.md', 'see [this](docs/gone.md#part)'],
    [
      'the engine on an adapter',
      importGraph,
      'packages/engine/src/a.ts',
      "import { x } from '@ironsys/postgres'",
    ],
    ['the engine on a library', importGraph, 'packages/engine/src/a.ts', "import { z } from 'zod'"],
    ['a domain on an adapter', importGraph, 'packages/reservations/src/a.ts', "import '@ironsys/kafka'"],
    ['a package on an app', importGraph, 'packages/cache/src/a.ts', "import { x } from '@ironsys/api'"],
    ['an app on an app', importGraph, 'apps/api/src/a.ts', "export { x } from '@ironsys/worker'"],
    ['a way around', importGraph, 'apps/api/src/a.ts', "import { x } from '../../worker/src/main.ts'"],
    [
      'test fixtures outside of tests',
      importGraph,
      'apps/api/src/a.ts',
      "import { x } from '@ironsys/testing'",
    ],
    [
      'time that cannot be simulated',
      tidy.virtualTime,
      'packages/kafka/src/a.ts',
      "import { setInterval } from 'node:timers/promises'",
    ],
    ['a package that nobody placed', importGraph, 'packages/new/src/a.ts', ''],
  ]

  function rule(documentation: string): tidy.Rule {
    return tidy.documentedDependencies(documentation)
  }

  test.each(bad)('%s', (_name, check, path, text) => {
    expect(check({ path, text })).toHaveLength(1)
  })

  const good: readonly [string, tidy.Rule, string, string][] = [
    [
      'a dependency with its reason',
      rule('| `zod`, pg | why |'),
      'a/package.json',
      '{"dependencies":{"pg":"catalog:"}}',
    ],
    ['300 lines', tidy.fileLength, 'a.ts', 'x\n'.repeat(300)],
    ['words that only contain a banned one', tidy.fileName, 'packages/testing/src/test-database.ts', ''],
    ['the one door', tidy.environmentAccess, 'apps/api/src/config.ts', `${env}.PORT`],
    [
      'a link that leads somewhere',
      tidy.linksResolve((path) => path === 'docs/b.md'),
      'docs/a.md',
      '[b](b.md)',
    ],
    ['a link out of the checkout', tidy.linksResolve(() => false), 'README.md', '[x](https://example.org)'],
    ['an app on an adapter', importGraph, 'apps/api/src/a.ts', "import { x } from '@ironsys/cache'"],
    ['a test on real servers', importGraph, 'packages/engine/src/a.int.test.ts', "import '@ironsys/testing'"],
  ]

  test.each(good)('nothing wrong with %s', (_name, check, path, text) => {
    expect(check({ path, text })).toEqual([])
  })

  test('all forms of import are seen', () => {
    const text = [
      "import type { A } from 'one'",
      "import {\n  b,\n  c,\n} from 'two'",
      "export * from 'three'",
      "import 'four'",
      "const five = await import('five')",
      "const notAnImport = 'from nowhere'",
    ].join('\n')
    expect(importsOf(text)).toEqual(['one', 'two', 'three', 'four', 'five'])
  })
})
