/**
 * The settings of one process: its own defaults, and over them what is stored, followed while it runs.
 *
 * Modes: following ⇄ lost (the store does not answer) → closed.
 *
 *  S1  In force is the newest stored version that this software can read, as a whole; what only other software can read
 *      is ignored as a whole. So what is in force does not depend on when the process started.
 *  S2  One look at the store at a time, every {@link POLL_MS} ± {@link POLL_SPREAD}; each ends by the pool's own time-out.
 *  S3  While lost, what was in force stays so; it is told once per outage.
 *  S4  Who follows a part is told when that part has changed, and only then, in the order of the versions. One who fails is
 *      reported, and the others are told all the same.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Difference, differences, type Overrides, settingsWith } from './overrides.ts'
import type { ReadableVersion, SettingsStore, UnreadableVersion } from './settings-store.ts'
import type { Settings } from './settings-table.ts'

export const POLL_MS = 500
/** Not all processes ask at the same moment. */
export const POLL_SPREAD = 0.1
/** For the pool: a store that is slower than this does not answer. */
export const STORE_TIMEOUT_MS = 2000

export interface SettingsObserver {
  /** Another version is in force; null: none, only the defaults. Called before the parts are told. */
  changed(to: ReadableVersion | null, changes: readonly Difference[]): void
  /** The newest version cannot be read and is ignored, or it can be again (null). */
  ignored(version: UnreadableVersion | null): void
  /** Once per look. */
  looked(isAnswered: boolean): void
  /** The store does not answer, or does again. */
  lost(error: unknown): void
  found(): void
  /** Somebody who follows a part has thrown. */
  failed(error: unknown): void
}

export interface LiveSettingsDeps {
  readonly store: Pick<SettingsStore, 'newest' | 'newestReadable'>
  readonly observer: SettingsObserver
  /** From 0 up to, not including, 1. */
  readonly random: () => number
}

export interface LiveSettings {
  readonly defaults: Settings
  readonly now: () => Settings
  /** The version in force; null: only the defaults are. */
  version(): ReadableVersion | null
  /** The newest version, where it cannot be read. */
  ignored(): UnreadableVersion | null
  /** Calls `apply` now, and whenever what `part` takes of the settings has changed. */
  on<P>(part: (now: Settings) => P, apply: (part: P) => void): void
  /** Looks at the store at once. Resolves when what it had then is in force, or it did not answer. Never rejects. */
  refresh(): Promise<void>
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>
}

/** Throws when the store does not answer this first time: a process should not begin with the wrong settings. */
export async function followSettings(deps: LiveSettingsDeps, defaults: Settings): Promise<LiveSettings> {
  const follower = new Follower(deps, defaults)
  await follower.start()
  return follower
}

class Follower implements LiveSettings {
  readonly defaults: Settings
  readonly #deps: LiveSettingsDeps
  readonly #parts: ((now: Settings) => void)[] = []
  #now: Settings
  #version: ReadableVersion | null = null
  #ignored: UnreadableVersion | null = null
  #isLost = false
  #isClosed = false
  #timer: NodeJS.Timeout | null = null
  /** The end of the last look that was asked for. */
  #looks: Promise<void> = Promise.resolve()

  constructor(deps: LiveSettingsDeps, defaults: Settings) {
    this.#deps = deps
    this.defaults = defaults
    this.#now = defaults
  }

  async start(): Promise<void> {
    await this.#look()
    this.#plan()
  }

  // Handed on by itself.
  readonly now = (): Settings => this.#now

  version(): ReadableVersion | null {
    return this.#version
  }

  ignored(): UnreadableVersion | null {
    return this.#ignored
  }

  on<P>(part: (now: Settings) => P, apply: (part: P) => void): void {
    let known = part(this.#now)
    apply(known)
    this.#parts.push((now) => {
      const next = part(now)
      if (isDeepStrictEqual(next, known)) return
      known = next
      apply(next)
    })
  }

  refresh(): Promise<void> {
    // Behind the one under way, which may have asked too early.
    this.#looks = this.#looks.then(() => this.#lookOrLose())
    return this.#looks
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#looks
  }

  #plan(): void {
    if (this.#isClosed) return
    const delayMs = POLL_MS * (1 - POLL_SPREAD + 2 * POLL_SPREAD * this.#deps.random())
    this.#timer = setTimeout(() => void this.refresh().then(() => this.#plan()), delayMs)
  }

  async #lookOrLose(): Promise<void> {
    if (this.#isClosed) return
    const { observer } = this.#deps
    try {
      await this.#look()
      observer.looked(true)
      if (this.#isLost) observer.found()
      this.#isLost = false
    } catch (error) {
      observer.looked(false)
      if (!this.#isLost) observer.lost(error)
      this.#isLost = true
    }
  }

  async #look(): Promise<void> {
    const { store, observer } = this.#deps
    const newest = await store.newest()
    if (newest !== null && newest.overrides === null) {
      if (newest.version === this.#ignored?.version) return
      const readable = await store.newestReadable()
      this.#ignored = newest
      observer.ignored(newest)
      return this.#take(readable)
    }
    if (this.#ignored !== null) {
      this.#ignored = null
      observer.ignored(null)
    }
    this.#take(newest)
  }

  #take(version: ReadableVersion | null): void {
    if (version?.version === this.#version?.version) return
    const before: Overrides = this.#version?.overrides ?? {}
    const after: Overrides = version?.overrides ?? {}
    this.#version = version
    this.#now = settingsWith(this.defaults, after)
    this.#deps.observer.changed(version, differences(before, after))
    for (const tell of this.#parts) this.#tell(tell)
  }

  #tell(tell: (now: Settings) => void): void {
    try {
      tell(this.#now)
    } catch (error) {
      this.#deps.observer.failed(error)
    }
  }
}
