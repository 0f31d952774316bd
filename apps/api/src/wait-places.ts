/** How many requests of one caller may wait at a time. Waiting is a wish: beyond it one is answered at once. */
export interface WaitPlaces {
  /** A place, to be left by calling it, once; null where the caller has no more. */
  take(account: string): (() => void) | null
}

/** `perCaller`: 0 for as many as the process takes. */
export function createWaitPlaces(perCaller: number): WaitPlaces {
  const taken = new Map<string, number>()
  return {
    take(account) {
      const others = taken.get(account) ?? 0
      if (perCaller > 0 && others >= perCaller) return null
      taken.set(account, others + 1)
      return () => {
        const left = (taken.get(account) ?? 1) - 1
        if (left > 0) taken.set(account, left)
        else taken.delete(account)
      }
    },
  }
}
