/** Shows what is appended to files until Ctrl-C. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

const LOOK_EVERY_MS = 300
const CHUNK_BYTES = 64 * 1024

export interface FollowedFile {
  readonly name: string
  readonly path: string
}

/** A file that becomes shorter was started anew and is shown from its beginning. */
export async function followFiles(
  files: readonly FollowedFile[],
  say: (line: string) => void,
): Promise<void> {
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  const shown = new Map(files.map(({ path }) => [path, sizeOf(path)]))
  while (!stop.signal.aborted) {
    for (const { name, path } of files) {
      const from = Math.min(shown.get(path) ?? 0, sizeOf(path))
      const text = readFrom(path, from)
      if (text === '') continue
      shown.set(path, from + Buffer.byteLength(text))
      const prefix = files.length > 1 ? `${name} | ` : ''
      for (const line of text.trimEnd().split('\n')) say(prefix + line)
    }
    await delay(LOOK_EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined)
  }
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0
}

/** Whole lines only: the rest of a line comes with the next look. */
function readFrom(path: string, from: number): string {
  if (sizeOf(path) <= from) return ''
  const file = openSync(path, 'r')
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES)
    const bytes = readSync(file, chunk, 0, CHUNK_BYTES, from)
    const end = chunk.subarray(0, bytes).lastIndexOf(0x0a)
    return end < 0 ? '' : chunk.subarray(0, end + 1).toString('utf8')
  } finally {
    closeSync(file)
  }
}
