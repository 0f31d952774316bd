/**
 * Who may import whom (ARCHITECTURE, "Where things live"): apps → adapters → engine → nothing.
 * A package that is not named here fails the check, so that nobody joins the graph unnoticed.
 */
import { isTest, type Rule, resolved } from './tidy.ts'

interface Allowed {
  /** Packages of this workspace, by folder name. */
  readonly own: readonly string[]
  /** Packages from outside; null is any. */
  readonly outside: readonly string[] | null
}

/** What an adapter may use of this workspace. */
const core = ['engine', 'contracts']

const graph: Readonly<Record<string, Allowed>> = {
  'packages/engine': { own: [], outside: [] },
  'packages/capacity': { own: [], outside: [] },
  'packages/contracts': { own: [], outside: ['zod'] },
  'packages/sql': { own: [], outside: [] },
  'packages/reservations': { own: ['engine', 'capacity', 'contracts', 'sql'], outside: ['zod'] },
  'packages/bookings': { own: ['engine', 'contracts', 'sql'], outside: ['zod'] },
  'packages/circuit-breaker': { own: [], outside: ['opossum'] },
  'packages/connections': { own: [], outside: ['zod'] },
  'packages/kafka': { own: [...core, 'circuit-breaker', 'connections'], outside: null },
  'packages/postgres': { own: core, outside: null },
  'packages/cache': { own: [...core, 'telemetry', 'circuit-breaker'], outside: null },
  'packages/outbox': { own: core, outside: null },
  'packages/audit': {
    own: [...core, 'reservations', 'bookings', 'postgres', 'kafka', 'cache'],
    outside: ['ioredis', 'zod'],
  },
  'packages/dead-letters': { own: [...core, 'postgres', 'reservations', 'bookings'], outside: ['zod'] },
  'packages/rate-limiter': { own: [], outside: ['ioredis'] },
  'packages/access': { own: ['contracts', 'postgres', 'sql'], outside: ['jose', 'zod'] },
  'packages/settings': { own: ['postgres'], outside: ['zod'] },
  'packages/lifecycle': { own: ['engine'], outside: [] },
  'packages/telemetry': { own: [], outside: null },
  'packages/testing': {
    own: [
      'local',
      ...core,
      'circuit-breaker',
      'postgres',
      'kafka',
      'cache',
      'outbox',
      'reservations',
      'audit',
    ],
    outside: null,
  },
  'infra/local': { own: ['connections'], outside: null },
}

/** Apps wire everything together; only the command line starts servers. */
const adapters = Object.keys(graph)
  .filter((folder) => folder !== 'packages/testing' && folder !== 'infra/local')
  .map((folder) => folder.slice(folder.indexOf('/') + 1))

const programs: Readonly<Record<string, Allowed>> = {
  'apps/api': { own: adapters, outside: null },
  'apps/worker': { own: adapters, outside: null },
  'apps/cli': { own: [...adapters, 'local'], outside: null },
  'load-tests': { own: [...adapters, 'local'], outside: null },
  'infra/nginx': { own: [], outside: [] },
  scripts: { own: ['local'], outside: null },
}

/** Only tests and packages/testing may use these. */
const testing = ['testing', 'local']
const testRunners = ['vitest', 'pg', 'ioredis', 'kafkajs', 'zod', 'fast-check']

export const importGraph: Rule = ({ path, text }) => {
  if (!path.endsWith('.ts') || !path.includes('/')) return []
  const folder = folderOf(path)
  const allowed = graph[folder] ?? programs[folder]
  if (allowed === undefined) return [`${folder} has no place in scripts/import-graph.ts`]
  return importsOf(text).flatMap((target) => fault(path, folder, target, allowed) ?? [])
}

function fault(path: string, folder: string, target: string, allowed: Allowed): string | null {
  if (target.startsWith('node:')) return null
  if (target.startsWith('.')) {
    return resolved(path, target).startsWith(`${folder}/`)
      ? null
      : `imports ${target}, which is outside of ${folder}`
  }
  const test = isTestOnly(path)
  const own = /^@ironsys\/([^/]+)/.exec(target)?.[1]
  if (own !== undefined) {
    // A test may put real adapters around what it tests, but nothing imports an app.
    const inReach = allowed.own.includes(own) || (test && (testing.includes(own) || adapters.includes(own)))
    return inReach ? null : `imports ${target}: ${folder} may not`
  }
  if (allowed.outside === null) return null
  const inReach = allowed.outside.includes(target) || (test && testRunners.includes(target))
  return inReach ? null : `imports ${target}: ${folder} may not`
}

/** Tests, and what lies beside them for tests only. */
function isTestOnly(path: string): boolean {
  return (
    isTest(path) || /(\.(fixture|fixtures|twin)|-under-test)\.ts$/.test(path) || path.includes('/testing/')
  )
}

/** `packages/kafka` of `packages/kafka/src/client.ts`; a folder at the root stands for itself. */
function folderOf(path: string): string {
  const [first = '', second = ''] = path.split('/')
  return ['apps', 'packages', 'infra'].includes(first) ? `${first}/${second}` : first
}

/** The modules that a file imports or re-exports from, types included. */
export function importsOf(text: string): readonly string[] {
  const pattern =
    /^\s*(?:import|export)\b[^;'"`]*?\bfrom\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm
  return [...text.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}
