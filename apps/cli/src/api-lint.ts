/** docs/openapi.json under the rules of redocly and spectral, installed once, of the versions and hashes of scripts/api-lint. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, folders, obtainProgram, run } from '@ironsys/local'
import { z } from 'zod'
import type { Context } from './command.ts'

const INSTALL_TIMEOUT_MS = 5 * 60_000
const LINT_TIMEOUT_MS = 60_000
const SYSTEM_CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'
const document = join('docs', 'openapi.json')
const source = join(checkout, 'scripts', 'api-lint')
const home = join(folders.state, 'api-lint')

const lockSchema = z.object({ packages: z.record(z.string(), z.looseObject({})) })

/** Null when neither has anything to say, else what they say. */
export async function lintApi({ environment, say }: Context): Promise<string | null> {
  const fault = await installLinters(environment, say)
  if (fault !== null) return fault
  // Both would tell their makers that they ran, or ask them for a newer version.
  const quiet = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', SCARF_ANALYTICS: 'false' }
  const options = { cwd: checkout, env: { ...environment, ...quiet }, timeoutMs: LINT_TIMEOUT_MS }
  const program = (...path: string[]) => join(home, 'node_modules', ...path)
  const outcomes = [
    await run(
      process.execPath,
      [
        program('@redocly', 'cli', 'bin', 'cli.js'),
        'lint',
        document,
        '--config',
        join(source, 'redocly.yaml'),
      ],
      options,
    ),
    await run(
      process.execPath,
      [
        program('@stoplight', 'spectral-cli', 'dist', 'index.js'),
        ...['lint', document, '--ruleset', join(source, 'spectral.yaml'), '--fail-severity', 'hint'],
      ],
      options,
    ),
  ]
  const said = outcomes.filter(({ code }) => code !== 0).map(({ output }) => output.trim())
  return said.length === 0 ? null : said.join('\n')
}

/** Null when they are there. */
async function installLinters(
  environment: Context['environment'],
  say: (line: string) => void,
): Promise<string | null> {
  const lock = join(source, 'package-lock.json')
  const installed = join(home, 'installed.json')
  const wanted = readFileSync(lock, 'utf8')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === wanted) return null
  say('installing redocly and spectral from npm into .ironsys/api-lint')
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  const root = lockSchema.parse(JSON.parse(wanted)).packages['']
  writeFileSync(join(home, 'package.json'), JSON.stringify(root))
  copyFileSync(lock, join(home, 'package-lock.json'))
  const npm = await obtainProgram('npm', { what: 'npm', packages: ['npm'] }, say)
  // Without install scripts: nothing of them is needed, and one of them reports the installation.
  const args = [
    'ci',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-update-notifier',
    '--loglevel=error',
  ]
  const env = { ...trustOfMachine(), ...environment }
  const outcome = await run(npm, args, { cwd: home, env, timeoutMs: INSTALL_TIMEOUT_MS })
  if (outcome.code !== 0) return `npm could not install redocly and spectral:\n${outcome.output.slice(-2000)}`
  // The last step: an installation that was interrupted is done again.
  copyFileSync(lock, installed)
  return null
}

/** Whom the machine trusts (a company's proxy, for one), npm trusts too, as in the `ironsys` script. */
function trustOfMachine(): Readonly<Record<string, string>> {
  return existsSync(SYSTEM_CERTIFICATES) ? { NODE_EXTRA_CA_CERTS: SYSTEM_CERTIFICATES } : {}
}
