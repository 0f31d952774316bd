/** A few slots to try things with. Their ids are fixed, so that seeding again changes nothing. */
import { LocalFault } from '@ironsys/local'

const WAIT_SECONDS = 10
const HOUR_MS = 3_600_000

/** Times are fixed too: the same id with another body is refused. */
const FIRST_START = Date.UTC(2030, 0, 7, 9)

export interface SeedSlot {
  readonly id: string
  readonly name: string
  readonly capacity: number
}

export const seedSlots: readonly SeedSlot[] = [
  { id: '00000000-0000-4000-8000-000000000001', name: 'Morning clinic', capacity: 10 },
  { id: '00000000-0000-4000-8000-000000000002', name: 'Concert, stalls', capacity: 500 },
  { id: '00000000-0000-4000-8000-000000000003', name: 'Flash sale, 100 pieces', capacity: 100 },
]

/** Creates the slots through the API; returns how many are new. Throws a `LocalFault` when the API refuses one. */
export async function seed(apiUrl: string): Promise<number> {
  const created = await Promise.all(seedSlots.map((slot, index) => createSlot(apiUrl, slot, index)))
  return created.filter(Boolean).length
}

async function createSlot(apiUrl: string, slot: SeedSlot, index: number): Promise<boolean> {
  const known = await fetch(`${apiUrl}/slots/${slot.id}`)
  await known.arrayBuffer()
  if (known.status === 200) return false
  const start = FIRST_START + index * 24 * HOUR_MS
  const answer = await fetch(`${apiUrl}/slots`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: `wait=${WAIT_SECONDS}` },
    body: JSON.stringify({
      ...slot,
      start_time: new Date(start).toISOString(),
      end_time: new Date(start + HOUR_MS).toISOString(),
    }),
  })
  const text = await answer.text()
  // 202: accepted and not decided yet; it will be.
  if (answer.status === 201 || answer.status === 202) return true
  throw new LocalFault(`seeding the slot ${slot.name} failed: ${answer.status} ${text.slice(0, 300)}`)
}
