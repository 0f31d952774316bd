/**
 * Opens a service. What `open` adds to the closers is what `close` closes; when `open` fails halfway it is closed at
 * once, and the failure thrown on.
 */
export async function openService<S extends object>(
  report: (error: unknown) => void,
  open: (closers: Closers) => Promise<S>,
): Promise<S & { close(): Promise<void> }> {
  const closers = new Closers()
  const close = () => closers.close(report)
  try {
    return { ...(await open(closers)), close }
  } catch (error) {
    await close()
    throw error
  }
}

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
