/**
 * Every test file must close what it opened: connections, servers, child processes, timers.
 * Vitest ends its workers by force, so that a leak would otherwise never be seen.
 */
import { waitUntil } from '@ironsys/local'
import { afterAll } from 'vitest'

/** What is given back a moment after the call that closes it. */
const DEADLINE_MS = 5000

const watched = new Set([
  'TCPSocketWrap',
  'TCPServerWrap',
  'ProcessWrap',
  'PipeWrap',
  'Timeout',
  'FSEventWrap',
])
// Node opens its own streams at their first use: have them open from the start.
void [process.stdin, process.stdout, process.stderr]
const before = openResources()

// Registered first and therefore run last, after the file's own hooks.
afterAll(async () => {
  const closed = await waitUntil(() => leaks().length === 0, DEADLINE_MS)
  if (!closed)
    throw new Error(`this file leaves open: ${leaks().join(', ')}; close it in afterAll or afterEach`)
}, DEADLINE_MS + 1000)

function leaks(): readonly string[] {
  const now = openResources()
  return [...now].flatMap(([name, count]) => {
    const more = count - (before.get(name) ?? 0)
    return more > 0 ? [`${name} × ${more}`] : []
  })
}

function openResources(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const name of process.getActiveResourcesInfo()) {
    if (watched.has(name)) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}
