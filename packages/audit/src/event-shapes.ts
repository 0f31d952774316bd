/** What the fields of each event of the ledger are in JSON: all of them, and no others. */
import { type Fault, type FaultGroup, where } from './fault-sql.ts'

type Kinds = Readonly<Record<string, string>>

const named: Kinds = { type: 'string', rowId: 'string' }
const changed: Kinds = { ...named, quantity: 'number' }
const decided: Kinds = {
  ...changed,
  ...{ slotId: 'string', userId: 'string', metadata: 'object or null', bodyHash: 'string or null' },
  ...{ holdTtlMs: 'number or null', bookingId: 'string or null', isCounted: 'boolean' },
}

/** What version 1 of the commands did not know may be missing. */
const eventKinds: Readonly<Record<string, Kinds>> = {
  slot_created: { type: 'string', rowId: 'null', slot: 'object' },
  slot_updated: {
    ...{ type: 'string', rowId: 'null', name: 'string', status: 'string' },
    ...{ capacityUnits: 'number', overbookingBps: 'number' },
  },
  reservation_confirmed: {
    ...decided,
    ...{ holdTtlMs: 'number or null or missing', bookingId: 'string or null or missing' },
    ...{ isCounted: 'boolean or missing' },
  },
  reservation_held: { ...decided, expiresMs: 'number', slotEndMs: 'number or null' },
  reservation_waitlisted: decided,
  hold_confirmed: changed,
  hold_expired: changed,
  reservation_cancelled: { ...changed, from: 'string or missing', reason: 'string or missing' },
  waiter_promoted: { ...changed, expiresMs: 'number' },
  expired_reconfirmed: changed,
  expired_requeued: changed,
  hold_overdue: { ...changed, bookingId: 'string', expiresMs: 'number' },
  reservation_erased: { ...named, pseudonym: 'string' },
}

const createdSlotKinds: Kinds = {
  ...{ id: 'string', name: 'string', startMs: 'number', endMs: 'number', capacityUnits: 'number' },
  ...{ overbookingBps: 'number', salesOpenMs: 'number or null', salesCloseMs: 'number or null' },
  ...{ metadata: 'object or null', bodyHash: 'string', holdTtlMs: 'number or null or missing' },
  ...{ maxPerUser: 'number or null or missing', hasWaitlist: 'boolean or missing' },
}

/** The types of all events, as a list in SQL. */
export const eventTypesSql = Object.keys(eventKinds)
  .map((type) => `'${type}'`)
  .join()

export const shapeFaults: readonly FaultGroup[] = Object.entries(eventKinds).map(([type, kinds]) => ({
  condition: `type = '${type}'`,
  faults: [
    ...misshapen('event', kinds),
    ...(type === 'slot_created' ? misshapen(`(event -> 'slot')`, createdSlotKinds) : []),
  ],
}))

/** What does not have its fields, or has others, and what is said of it. */
function misshapen(object: string, kinds: Kinds): readonly Fault[] {
  const isObject = `jsonb_typeof(${object}) = 'object'`
  const rest = `${object} - '{${Object.keys(kinds).join()}}'::text[]`
  const wrong = Object.entries(kinds).map(([name, kind]): Fault => {
    const stored = `coalesce(jsonb_typeof(${object} -> '${name}'), 'missing')`
    const allowed = kind.split(' or ').map((each) => `'${each}'`)
    return {
      field: `event.${name}`,
      condition: `${stored} NOT IN (${allowed.join()})`,
      text: `format('${name} of its event is %s, it should be ${kind.replace(' or missing', '')}', ${stored})`,
    }
  })
  const unknown: Fault = {
    field: 'event',
    // What is no object cannot have keys taken away: the order of evaluation matters.
    condition: `CASE WHEN ${isObject} THEN ${rest} <> '{}' ELSE false END`,
    text: `format('its event has fields that no program writes: %s', (SELECT string_agg(k, ', ') FROM jsonb_object_keys(${rest}) k))`,
  }
  return [...where(isObject, wrong), unknown]
}
