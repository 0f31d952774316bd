/** Finds Java, and gets Kafka's jars from Maven Central into a folder that all stacks of the checkout share. */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram, isExecutable, run } from './commands.ts'
import { inheritedEnvironment } from './config.ts'
import { LocalFault } from './faults.ts'
import { install } from './install.ts'

const POM = fileURLToPath(new URL('../../kafka/pom.xml', import.meta.url))
/** Pinned: which version a bare `dependency:` means depends on the machine's Maven. */
const COPY_GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
const DOWNLOAD_TIMEOUT_MS = 10 * 60_000
const OLDEST_JAVA = 17

/** A Java of version 17 or later: JAVA_HOME's, the one on PATH, else Debian's package. */
export async function findJava(report: (line: string) => void): Promise<string> {
  const found = await installedJava()
  if (found !== null) return found
  const packages = ['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'default-jre-headless']
  await install({ what: `Java ${OLDEST_JAVA} or newer (for Kafka)`, packages }, report)
  const installed = await installedJava()
  if (installed !== null) return installed
  throw new LocalFault(
    `Java ${OLDEST_JAVA} or newer is needed and the java found is older: sudo apt-get install ${packages[0]}`,
  )
}

/** The folder with Kafka's jars; its name holds the hash of the pom, so that a new version gets a new folder. */
export async function fetchKafka(
  cache: string,
  report: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 12)
  const folder = join(cache, hash)
  if (existsSync(folder)) return folder
  const maven = await findMaven(report)
  report("getting Kafka's jars from Maven Central (45 MB, once)")
  mkdirSync(cache, { recursive: true })
  const draft = join(cache, `${hash}.${process.pid}`)
  const repository = join(cache, `m2.${process.pid}`)
  const args = ['-B', '-f', POM, '-Dstyle.color=never', `-Dmaven.repo.local=${repository}`, COPY_GOAL]
  let jars = 0
  const outcome = await run(maven, [...args, `-DoutputDirectory=${draft}`], {
    cwd: cache,
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
    signal,
    onLine: (line) => {
      if (/Downloaded from .*\.jar/.test(line) && ++jars % 25 === 0) report(`  ${jars} jars`)
    },
  })
  rmSync(repository, { recursive: true, force: true })
  if (outcome.code !== 0) {
    rmSync(draft, { recursive: true, force: true })
    throw new LocalFault(
      "Maven could not get Kafka's jars; is Maven Central within reach?",
      outcome.output.slice(-2000),
    )
  }
  moveInto(draft, folder)
  return folder
}

/** Two stacks may have fetched at the same time: the first one's folder is as good as ours. */
function moveInto(draft: string, folder: string): void {
  try {
    renameSync(draft, folder)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
}

async function installedJava(): Promise<string | null> {
  const home = inheritedEnvironment().JAVA_HOME
  const candidates = [home === undefined ? null : join(home, 'bin', 'java'), findProgram('java')]
  for (const java of candidates) {
    if (java === null || !isExecutable(java)) continue
    const version = (await run(java, ['-version'])).output
    if (Number(/version "(\d+)/.exec(version)?.[1] ?? 0) >= OLDEST_JAVA) return java
  }
  return null
}

async function findMaven(report: (line: string) => void): Promise<string> {
  if (findProgram('mvn') === null) {
    await install({ what: "Maven (for Kafka's jars)", packages: ['maven'] }, report)
  }
  const maven = findProgram('mvn')
  if (maven === null) throw new LocalFault('maven was installed but mvn is not on PATH')
  return maven
}
