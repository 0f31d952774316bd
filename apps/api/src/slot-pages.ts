/**
 * Pages of slots: asked of the store once a second, however many read them, with what this instance knows of each slot
 * laid over.
 *
 * A page is *fresh* for `freshMs` from when its query began; then a reader waits for a new query. When that fails
 * because the store is out, the page is *stale*: for `staleIfErrorMs` it is answered at once, and tried again
 * behind every `retryMs`.
 *
 *  P1  One page has at most one query under way, however many wait for it.
 *  P2  No slot is shown older than GET /slots/:id of this instance shows it, nor one that it says is missing.
 *  P3  What is shown fits the filter. A slot that has sold out since the query is left out of `available: true`, so a page
 *      may be shorter than its limit, even empty; where the next one begins is the store's word, so nothing is skipped.
 *  P4  All is bounded: slots kept, queries under way, every wait.
 */
import { isOlder, type Snapshot, type SnapshotCache, SnapshotUnavailableError } from '@ironsys/cache'
import type { SlotDocument } from '@ironsys/contracts'
import type { PagePosition, ReservationReads, SlotFilter } from './deps.ts'
import { isOutage } from './store.ts'

export const slotPageLimits = {
  freshMs: 1000,
  retryMs: 1000,
  staleIfErrorMs: 300_000,
  /** Then whoever waits gets the last page, or 503; the query itself ends by the connection's own limits. */
  waitMs: 2000,
  queries: 200,
  /** Of all pages together; a page counts as one more, so that empty ones are bounded too. */
  slotsKept: 20_000,
} as const

export interface SlotPage {
  readonly items: readonly SlotDocument[]
  /** Null on the last page. */
  readonly next: PagePosition | null
  /** Since its query began. */
  readonly ageMs: number
  /** The store could not be asked. */
  readonly stale: boolean
}

export type PageSource = 'memory' | 'store' | 'stale'

export interface SlotPagesDeps {
  readonly reads: Pick<ReservationReads, 'slots'>
  readonly slots: Pick<SnapshotCache<SlotDocument>, 'peek'>
  readonly nowMs: () => number
  readonly observe: (source: PageSource) => void
}

interface Kept {
  readonly items: readonly Snapshot<SlotDocument>[]
  readonly next: PagePosition | null
  readonly readMs: number
  nextQueryMs: number
  failed: boolean
}

/** Answers a page; throws what the store throws when no page of the last minutes can stand in for it. */
export type ReadSlotPage = (filter: SlotFilter) => Promise<SlotPage>

export function createSlotPages(deps: SlotPagesDeps): ReadSlotPage {
  const pages = new SlotPages(deps)
  return (filter) => pages.read(filter)
}

class SlotPages {
  readonly #deps: SlotPagesDeps
  /** In the order of their queries: the first one is the one to forget. */
  readonly #pages = new Map<string, Kept>()
  readonly #queries = new Map<string, Promise<Kept>>()
  #slotsKept = 0

  constructor(deps: SlotPagesDeps) {
    this.#deps = deps
  }

  async read(filter: SlotFilter): Promise<SlotPage> {
    const key = keyOf(filter)
    const known = this.#pages.get(key)
    if (known !== undefined && this.#deps.nowMs() < known.nextQueryMs && this.#isUsable(known)) {
      return this.#show(known, filter, known.failed ? 'stale' : 'memory')
    }
    const asked = this.#ask(key, filter)
    if (known?.failed === true && this.#isUsable(known)) {
      // Its failure is noted in the page.
      asked.catch(() => undefined)
      return this.#show(known, filter, 'stale')
    }
    try {
      return this.#show(await asked, filter, 'store')
    } catch (error) {
      const last = this.#pages.get(key)
      if (last === undefined || !isOutage(error) || !this.#isUsable(last)) throw error
      return this.#show(last, filter, 'stale')
    }
  }

  #isUsable(page: Kept): boolean {
    return this.#deps.nowMs() - page.readMs < slotPageLimits.staleIfErrorMs
  }

  #ask(key: string, filter: SlotFilter): Promise<Kept> {
    const running = this.#queries.get(key)
    if (running !== undefined) return running
    if (this.#queries.size >= slotPageLimits.queries) {
      return Promise.reject(new SnapshotUnavailableError('too many pages of slots are being read'))
    }
    const readMs = this.#deps.nowMs()
    const nextQueryMs = readMs + slotPageLimits.freshMs
    const query = this.#deps.reads
      .slots(filter)
      .then(({ items, next }) => this.#keep(key, { items, next, readMs, nextQueryMs, failed: false }))
    const answer = withinWait(query).catch((error: unknown) => {
      this.#noteFailure(key, error)
      throw error
    })
    this.#queries.set(key, answer)
    // Also when nobody waits for it any more: until then it is not asked again.
    const ended = () => void this.#queries.delete(key)
    query.then(ended, ended)
    return answer
  }

  #noteFailure(key: string, error: unknown): void {
    const page = this.#pages.get(key)
    if (page === undefined) return
    if (isOutage(error)) {
      page.failed = true
      page.nextQueryMs = this.#deps.nowMs() + slotPageLimits.retryMs
    } else {
      // A fault of ours is not hidden behind an old page.
      this.#forget(key)
    }
  }

  #keep(key: string, page: Kept): Kept {
    this.#forget(key)
    this.#pages.set(key, page)
    this.#slotsKept += page.items.length + 1
    for (const oldest of this.#pages.keys()) {
      if (this.#slotsKept <= slotPageLimits.slotsKept) break
      this.#forget(oldest)
    }
    return page
  }

  #forget(key: string): void {
    const page = this.#pages.get(key)
    if (page === undefined) return
    this.#pages.delete(key)
    this.#slotsKept -= page.items.length + 1
  }

  #show({ items, next, readMs }: Kept, filter: SlotFilter, source: PageSource): SlotPage {
    const { slots, nowMs, observe } = this.#deps
    observe(source)
    return {
      items: items.flatMap((item) => newest(slots, item, filter) ?? []),
      next,
      ageMs: Math.max(0, nowMs() - readMs),
      stale: source === 'stale',
    }
  }
}

/** The slot as it is to be shown; null when it does not belong there any more. */
function newest(
  slots: SlotPagesDeps['slots'],
  item: Snapshot<SlotDocument>,
  { available }: SlotFilter,
): SlotDocument | null {
  const known = slots.peek(item.document.id)
  if (known !== undefined && 'missing' in known) return null
  const { document } = known !== undefined && isOlder(item, known) ? known : item
  return available === undefined || document.available > 0 === available ? document : null
}

function keyOf({ from, to, available, limit, after }: SlotFilter): string {
  return JSON.stringify([from, to, available, limit, after?.startTime, after?.id])
}

async function withinWait<T>(query: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const { waitMs } = slotPageLimits
  const timer = setTimeout(
    () => late.reject(new SnapshotUnavailableError(`the store gave no page within ${waitMs} ms`)),
    waitMs,
  )
  try {
    return await Promise.race([query, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
