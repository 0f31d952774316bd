/**
 * The leases of one limit, by whom they are for, and never more than `entriesMax` of them and one.
 *
 * When it is full, a newcomer takes the place of one that is dispensable. Nobody gets a fresh bucket by being forgotten:
 * the shared bucket remembers him, and one of this process's own is only forgotten when it is full. Where no such
 * place is found soon, newcomers share one bucket, of the size of anybody's.
 */
import { Lease, type Terms } from './lease.ts'

/** Places that are looked at for a newcomer. */
const LOOKS_MAX = 4
/** Where it moves behind all others when it is used. */
const TOUCH_MS = 1000
/** The name of the bucket that newcomers share. No address and no user is called so. */
const CROWD = '*'

export class LeaseTable {
  readonly #terms: Terms
  readonly #entriesMax: number
  readonly #leases = new Map<string, Lease>()
  #crowd: Lease | null = null
  /** Goes round: deleted places cost it nothing twice. */
  #places: Iterator<[string, Lease]>

  constructor(terms: Terms, entriesMax: number) {
    this.#terms = terms
    this.#entriesMax = entriesMax
    this.#places = this.#leases.entries()
  }

  get terms(): Terms {
    return this.#terms
  }

  get size(): number {
    return this.#leases.size
  }

  /** The lease, and the name of its shared bucket. */
  of(id: string, isLocal: boolean, nowMs: number): { readonly id: string; readonly lease: Lease } {
    const known = this.#leases.get(id)
    if (known === undefined) return this.#newcomer(id, isLocal, nowMs)
    known.switchTo(isLocal, nowMs)
    if (nowMs - known.touchedMs > TOUCH_MS) {
      known.touchedMs = nowMs
      this.#leases.delete(id)
      this.#leases.set(id, known)
    }
    return { id, lease: known }
  }

  #newcomer(id: string, isLocal: boolean, nowMs: number) {
    if (this.#leases.size >= this.#entriesMax && !this.#makePlace(isLocal, nowMs)) {
      this.#crowd ??= new Lease(this.#terms, isLocal, nowMs)
      this.#crowd.switchTo(isLocal, nowMs)
      return { id: CROWD, lease: this.#crowd }
    }
    const lease = new Lease(this.#terms, isLocal, nowMs)
    this.#leases.set(id, lease)
    return { id, lease }
  }

  #makePlace(isLocal: boolean, nowMs: number): boolean {
    for (let look = 0; look < LOOKS_MAX; look++) {
      let next = this.#places.next()
      if (next.done === true) {
        this.#places = this.#leases.entries()
        next = this.#places.next()
        if (next.done === true) return false
      }
      const [id, lease] = next.value
      lease.switchTo(isLocal, nowMs)
      if (!lease.isDispensable(nowMs)) continue
      this.#leases.delete(id)
      return true
    }
    return false
  }
}
