/** Where the checkout keeps what it makes: one ignored folder. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { outsideFolder } from './postgres-home.ts'

/** The checkout's root, without a slash at its end. */
export const checkout = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

export const folders = {
  state: join(checkout, '.ironsys'),
  /** The stack of `make up`. */
  stack: join(checkout, '.ironsys', 'stack'),
  /** Kafka's jars, shared by all stacks. */
  jars: join(checkout, '.ironsys', 'kafka-libs'),
} as const

const TEST_PREFIX = 'test-'
const CHAOS_PREFIX = 'chaos-'

/** The folder of the stack that the test run with this pid uses, or the named part of it where each has its own. */
export function testFolder(pid: number, part?: string): string {
  return join(folders.state, `${TEST_PREFIX}${pid}${part === undefined ? '' : `-${part}`}`)
}

/** Whose folder it is, by its name; a pid may be given out again. */
export function pidOfTestFolder(path: string): number {
  return Number.parseInt(basename(path).slice(TEST_PREFIX.length), 10)
}

export function testFolders(): readonly string[] {
  return foldersNamed(TEST_PREFIX)
}

/** The folder of the stack that the crash test with this pid uses; kept when a check of it fails. */
export function chaosFolder(pid: number): string {
  return join(folders.state, `${CHAOS_PREFIX}${pid}`)
}

export function chaosFolders(): readonly string[] {
  return foldersNamed(CHAOS_PREFIX)
}

function foldersNamed(prefix: string): readonly string[] {
  if (!existsSync(folders.state)) return []
  return readdirSync(folders.state)
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(folders.state, name))
}

/** A stack's folder and the one outside the checkout that may hold its database. */
export function stackFolders(path: string): readonly string[] {
  return [path, outsideFolder(path)].filter((folder) => existsSync(folder))
}

/** Removes a stopped stack with all its data. */
export function removeStack(path: string): void {
  for (const folder of stackFolders(path)) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
