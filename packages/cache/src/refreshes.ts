/** Look-ups under way: at most one of each key, and a bounded number of all. */
import type { CacheTier, SnapshotRead } from './snapshot.ts'

export interface Refreshed<D> {
  readonly read: SnapshotRead<D>
  readonly tier: CacheTier
}

export interface Refresh<D> {
  readonly promise: Promise<Refreshed<D>>
  /** The highest version that somebody waits for: it rises as others join. */
  minVersion: number
  /** The key was removed since it began. */
  isVoid: boolean
}

export class Refreshes<D> {
  readonly #running = new Map<string, Refresh<D>>()

  get size(): number {
    return this.#running.size
  }

  has(key: string): boolean {
    return this.#running.has(key)
  }

  /** Joins the one of the key, which has to reach `minVersion` from now on; undefined when there is none. */
  join(key: string, minVersion: number): Promise<Refreshed<D>> | undefined {
    const running = this.#running.get(key)
    if (running === undefined) return undefined
    running.minVersion = Math.max(running.minVersion, minVersion)
    return running.promise
  }

  /** There must be none of the key. */
  start(
    key: string,
    minVersion: number,
    ask: (refresh: Refresh<D>) => Promise<Refreshed<D>>,
  ): Promise<Refreshed<D>> {
    const { promise, resolve } = Promise.withResolvers<Refreshed<D>>()
    const refresh: Refresh<D> = { promise, minVersion, isVoid: false }
    this.#running.set(key, refresh)
    resolve(ask(refresh).finally(() => this.#running.delete(key)))
    return promise
  }

  /** The key was removed: what the one under way finds may be from before. */
  makeVoid(key: string): void {
    const running = this.#running.get(key)
    if (running !== undefined) running.isVoid = true
  }
}

export function reaches<D>({ read }: Refreshed<D>, minVersion: number): boolean {
  return minVersion === 0 || ('version' in read && read.version >= minVersion)
}
