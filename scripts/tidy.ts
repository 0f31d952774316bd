/**
 * The conventions that a machine can check, as pure functions over a file's path and text.
 * docs: CONVENTIONS; in the style of TigerBeetle's src/tidy.zig. Biome checks the length of functions.
 */

export interface TidyFile {
  /** Relative to the checkout, with slashes. */
  readonly path: string
  readonly text: string
}

/** What is wrong with a file; empty when nothing is. */
export type Rule = (file: TidyFile) => readonly string[]

const FILE_LINES_MAX = 300
const BANNED_WORDS = new Set(['util', 'utils', 'common', 'manager', 'managers', 'helper', 'helpers', 'base'])

const isSource = (path: string) => /\.ts$/.test(path)
export const isTest = (path: string) => /\.(test|spec)\.ts$/.test(path)

export const fileLength: Rule = ({ path, text }) => {
  if (!isSource(path)) return []
  const lines = text.trimEnd().split('\n').length
  return lines > FILE_LINES_MAX ? [`has ${lines} lines, ${FILE_LINES_MAX} are allowed: split it`] : []
}

export const fileName: Rule = ({ path }) => {
  if (!isSource(path)) return []
  const name = path.slice(path.lastIndexOf('/') + 1)
  const banned = name.split(/[-._]/).filter((word) => BANNED_WORDS.has(word))
  return banned.map((word) => `is named "${word}": say what it is about`)
}

/** Configuration has one door (rule 3). */
export const environmentAccess: Rule = ({ path, text }) => {
  if (!isSource(path) || /(^|\/)config\.ts$/.test(path)) return []
  return linesWith(text, /\bprocess\.env\b/).map(
    (line) => `line ${line}: the environment is read in config.ts only`,
  )
}

export const testSuffix: Rule = ({ path }) =>
  isTest(path) && !/\.(unit|sim|int|e2e|tools)\.test\.ts$/.test(path)
    ? ['a test ends in .unit.test.ts, .sim.test.ts, .int.test.ts, .e2e.test.ts or .tools.test.ts']
    : []

export const wholeTests: Rule = ({ path, text }) => {
  if (!isTest(path)) return []
  const pattern =
    /\b(test|it|describe|suite|bench)(\.\w+)*\.(only|skip|todo|skipIf|runIf|fails)\b|\bctx\.skip\(/
  return linesWith(text, pattern).map(
    (line) => `line ${line}: no test is singled out, skipped or left for later`,
  )
}

export const noSleeps: Rule = ({ path, text }) => {
  if (!isTest(path)) return []
  const pattern = /(?<!['"])\bsetTimeout\b|\bsleep\s*\(/
  return linesWith(text, pattern).map(
    (line) => `line ${line}: a test waits for a condition with a deadline, it does not sleep`,
  )
}

/** What the simulator runs gets its time from the globals, which it replaces: a module of Node's own would escape it. */
export const virtualTime: Rule = ({ path, text }) => {
  const simulated = /^packages\/(engine|capacity|contracts|reservations|bookings|kafka|cache|outbox)\/src\//
  if (!simulated.test(path) || isTest(path) || /\.fixture\.ts$/.test(path)) return []
  return linesWith(text, /['"]node:(timers|timers\/promises|perf_hooks)['"]/).map(
    (line) => `line ${line}: the simulator cannot replace this: use the global timers and clocks`,
  )
}

/** Folders that only one machine has. */
export const noMachinePaths: Rule = ({ path, text }) => {
  if (!/\.(ts|js|mjs|json|md|ya?ml|sh|sql|toml|xml)$|(^|\/)(Makefile|ironsys|run)$/.test(path)) return []
  const pattern = /(^|[\s"'`(=:])\/(work|root|home\/\w+|Users\/\w+)(\/|\b)/
  return linesWith(text, pattern).map((line) => `line ${line}: names a folder of one machine`)
}

/** Versions live in the catalog of pnpm-workspace.yaml, so that there is one of each. */
export const catalogVersions: Rule = ({ path, text }) => {
  if (!path.endsWith('package.json')) return []
  return dependenciesOf(text)
    .filter(([, version]) => version !== 'catalog:' && version !== 'workspace:*')
    .map(
      ([name, version]) =>
        `${name} is "${version}": its version belongs into the catalog of pnpm-workspace.yaml`,
    )
}

/** Every dependency from outside needs its reason: a row of the table in docs/dependencies.md, whose first cell names it. */
export function documentedDependencies(documentation: string): Rule {
  const cells = [...documentation.matchAll(/^\|([^|]+)\|/gm)].map((match) => match[1] ?? '')
  const documented = new Set(
    cells.flatMap((cell) => cell.split(',').map((name) => name.replaceAll('`', '').trim())),
  )
  return ({ path, text }) => {
    if (!path.endsWith('package.json')) return []
    return dependenciesOf(text)
      .filter(([name]) => !name.startsWith('@ironsys/') && !documented.has(name))
      .map(([name]) => `${name} has no entry in docs/dependencies.md`)
  }
}

/** Links from one file of the checkout to another. `exists` takes a path relative to the checkout. */
export function linksResolve(exists: (path: string) => boolean): Rule {
  return ({ path, text }) => {
    if (!path.endsWith('.md')) return []
    const prose = text.replace(/```[\s\S]*?```/g, '').replace(/`[^`\n]*`/g, '')
    const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '')
    return targets
      .filter((target) => !/^([a-z]+:|#)/i.test(target))
      .filter((target) => !exists(resolved(path, target.replace(/#.*$/, ''))))
      .map((target) => `links to ${target}, which does not exist`)
  }
}

/** A path relative to a file of the checkout, made relative to the checkout. */
export function resolved(from: string, target: string): string {
  const parts = target.startsWith('/') ? [] : from.split('/').slice(0, -1)
  for (const part of target.split('/')) {
    if (part === '..') {
      if (parts.length === 0 || parts.at(-1) === '..') parts.push('..')
      else parts.pop()
    } else if (part !== '.' && part !== '') parts.push(part)
  }
  return parts.join('/')
}

/** The numbers of the lines that match, from 1. */
function linesWith(text: string, pattern: RegExp): readonly number[] {
  return text.split('\n').flatMap((line, index) => (pattern.test(line) ? [index + 1] : []))
}

function dependenciesOf(text: string): readonly (readonly [string, unknown])[] {
  const manifest: Record<string, unknown> = JSON.parse(text)
  return ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'].flatMap((kind) =>
    Object.entries(manifest[kind] ?? {}),
  )
}
