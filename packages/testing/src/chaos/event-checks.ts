/** The events topic (I8): in order, at least once, without gaps, and the same story as the ledger. */
import { type Check, checkEach, type Evidence } from './evidence.ts'
import type { EventFact, PartitionFact } from './facts.ts'

export const eventsGapless: Check = {
  name: 'events-gapless',
  promise: 'first occurrences run 1, 2, 3, … to the last sequence that was drawn; repeats are the same bytes',
  run: ({ facts }) => ({
    checked: facts.partitions.reduce((sum, { events }) => sum + events.length, 0),
    violations: facts.partitions.flatMap(faultsOfPartition),
  }),
}

function faultsOfPartition({ partition, events, eventSeq }: PartitionFact): readonly string[] {
  const faults: string[] = []
  const texts: string[] = []
  for (const { seq, offset, text } of events) {
    if (seq === texts.length + 1) texts.push(text)
    else if (seq > texts.length) {
      faults.push(`partition ${partition} offset ${offset}: ${seq} comes where ${texts.length + 1} should`)
      // One gap, one line.
      while (texts.length < seq - 1) texts.push('')
      texts.push(text)
    } else if (texts[seq - 1] !== '' && texts[seq - 1] !== text) {
      faults.push(`partition ${partition} offset ${offset}: ${seq} was another event before`)
    }
  }
  if (texts.length !== eventSeq) faults.push(`partition ${partition}: ends at ${texts.length} of ${eventSeq}`)
  return faults
}

export const eventsMatchLedger: Check = {
  name: 'events-match-ledger',
  promise: 'the ledger and the rejections have one event each, and no event is without its entry',
  run: (evidence) => {
    const told = new Map<string, number>()
    for (const { events } of evidence.facts.partitions) {
      const seen = new Set<number>()
      for (const event of events) {
        if (seen.has(event.seq)) continue
        seen.add(event.seq)
        const key = keyOf(event)
        told.set(key, (told.get(key) ?? 0) + 1)
      }
    }
    const stored = storedKeys(evidence)
    const missing = checkEach([...stored], (key) => {
      const times = told.get(key) ?? 0
      return times === 1 ? [] : [`${key}: ${times} events`]
    })
    const unfounded = [...told.keys()].filter((key) => !stored.has(key))
    return {
      checked: missing.checked,
      violations: [...missing.violations, ...unfounded.map((key) => `${key}: an event, and no entry`)],
    }
  },
}

/** A rejection takes no version, so its reservation names it; everything else is an entry of the ledger. */
function keyOf({ type, slotId, version, reservationId }: EventFact): string {
  return type === 'reservation_rejected'
    ? `rejection of ${reservationId}`
    : `${type} ${reservationId ?? ''} of slot ${slotId} at version ${version}`
}

function storedKeys({ facts }: Evidence): ReadonlySet<string> {
  const rejected = facts.reservations.filter(({ status }) => status === 'rejected')
  return new Set([
    ...rejected.map(({ id }) => `rejection of ${id}`),
    ...facts.ledger.map(
      ({ type, slotId, version, reservationId }) =>
        `${type} ${reservationId ?? ''} of slot ${slotId} at version ${version}`,
    ),
  ])
}
