/** What readers saw of slots (I7): only what was committed, and never backwards. */
import { runningSums } from './book-checks.ts'
import { type Check, checkEach, type Evidence, grouped } from './evidence.ts'
import type { SlotRead } from './history.ts'

export const readsMatchLedger: Check = {
  name: 'reads-match-ledger',
  promise:
    'what a reader saw at a version is what the ledger adds up to at that version: nothing uncommitted leaves',
  run: (evidence) => {
    const sums = sumsOf(evidence)
    return checkEach(evidence.history.slotReads, ({ slotId, version, reservedUnits, capacityUnits }) => {
      const sum = sums.get(slotId)?.[version - 1]
      const same =
        sum !== undefined && sum.held + sum.confirmed === reservedUnits && sum.capacity === capacityUnits
      return same
        ? []
        : [
            `slot ${slotId} version ${version}: read ${reservedUnits} of ${capacityUnits}, the ledger says ${JSON.stringify(sum)}`,
          ]
    })
  },
}

function sumsOf({ ledgerOfSlot }: Evidence) {
  return new Map([...ledgerOfSlot].map(([slotId, entries]) => [slotId, runningSums(entries)]))
}

export const readsGoForward: Check = {
  name: 'reads-go-forward',
  promise: 'an API process never answers an older version of a slot than one it answered before (I7)',
  run: ({ history }) => ({
    checked: history.slotReads.length,
    violations: [...grouped(history.slotReads, ({ life, slotId }) => `${life} ${slotId}`).values()].flatMap(
      stepsBack,
    ),
  }),
}

/** Of two reads only what one answered before the other was sent has an order. */
function stepsBack(reads: readonly SlotRead[]): readonly string[] {
  const bySent = [...reads].sort((a, b) => a.sentMs - b.sentMs)
  const byAnswered = [...reads].sort((a, b) => a.answeredMs - b.answeredMs)
  const faults: string[] = []
  let newest: SlotRead | null = null
  let known = 0
  for (const read of bySent) {
    for (let earlier = byAnswered[known]; earlier !== undefined; earlier = byAnswered[known]) {
      if (earlier.answeredMs >= read.sentMs) break
      if (newest === null || isOlder(newest, earlier)) newest = earlier
      known++
    }
    if (newest === null || !isOlder(read, newest)) continue
    faults.push(
      `slot ${read.slotId} at ${read.life}: ${read.epoch}.${read.version} after ${newest.epoch}.${newest.version}`,
    )
  }
  return faults
}

function isOlder(a: SlotRead, b: SlotRead): boolean {
  return a.epoch < b.epoch || (a.epoch === b.epoch && a.version < b.version)
}

export const snapshotsAgree: Check = {
  name: 'snapshots-agree',
  promise: 'in the end Redis and every API show each slot as it is stored',
  run: ({ facts, slots }) =>
    checkEach(facts.snapshots, ({ source, slotId, version, reservedUnits, capacityUnits }) => {
      const slot = slots.get(slotId)
      const same =
        slot !== undefined &&
        slot.version === version &&
        slot.held + slot.confirmed === reservedUnits &&
        slot.capacity === capacityUnits
      return same
        ? []
        : [
            `slot ${slotId} in ${source}: version ${version}, ${reservedUnits} of ${capacityUnits}, stored is ${JSON.stringify(slot)}`,
          ]
    }),
}
