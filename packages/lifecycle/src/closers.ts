/** What a process has opened so far; closed in reverse order, also when the start fails halfway. */
export class Closers {
  readonly #closers: (() => unknown)[] = []

  add(close: () => unknown): void {
    this.#closers.push(close)
  }

  /** Closes everything, one after the other. What fails is reported, and the rest is closed all the same. */
  async close(report: (error: unknown) => void): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        report(error)
      }
    }
  }
}
