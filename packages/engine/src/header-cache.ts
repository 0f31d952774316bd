import type { Header } from './decider.ts'

/** The owner's hot headers, least recently used out first. Dropped whole whenever a commit is in doubt. */
export class HeaderCache<H extends Header> {
  readonly #entries = new Map<string, H>()
  readonly #maxKeys: number

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  get(key: string): H | undefined {
    const header = this.#entries.get(key)
    if (header === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, header)
    return header
  }

  set(key: string, header: H): void {
    this.#entries.delete(key)
    this.#entries.set(key, header)
    if (this.#entries.size <= this.#maxKeys) return
    const oldest = this.#entries.keys().next()
    if (!oldest.done) this.#entries.delete(oldest.value)
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}
