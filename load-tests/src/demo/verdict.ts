/** Whether the invariants held: the buyers' own records against the ledger's audit. */
import type { AuditDocument } from '@ironsys/contracts'
import type { Purchase } from './purchase.ts'
import type { SeenSlot } from './slots.ts'

export interface SlotEvidence {
  readonly slotId: string
  readonly capacity: number
  readonly audit: AuditDocument
  readonly seen: SeenSlot
  readonly purchases: readonly Purchase[]
}

/** Everything that is wrong with one slot; empty when it is sound. */
export function faultsOfSlot({ slotId, capacity, audit, seen, purchases }: SlotEvidence): readonly string[] {
  const confirmed = purchases.filter(({ outcome }) => outcome?.status === 'confirmed')
  const units = confirmed.reduce((sum, { buyer }) => sum + buyer.quantity, 0)
  // One ledger version made the slot, one each step that a reservation took: a second effect would show.
  const versions = purchases.reduce((sum, { outcome }) => sum + stepsOf(outcome), 1)
  const checks: readonly (readonly [boolean, string])[] = [
    [audit.balanced, 'the audit says that it is not balanced'],
    [audit.capacity === capacity, `has capacity ${audit.capacity} instead of ${capacity}`],
    [audit.confirmed + audit.held <= capacity, `is oversold: ${audit.confirmed + audit.held} of ${capacity}`],
    [audit.confirmed === units, `buyers hold ${units} confirmed units, the ledger has ${audit.confirmed}`],
    [audit.held === 0, `holds ${audit.held} units for nobody`],
    [audit.available === capacity - units, `has ${audit.available} available instead of ${capacity - units}`],
    [audit.version === versions, `is at version ${audit.version}; ${versions} effects are known`],
    [
      audit.ledger_events === audit.version,
      `has ${audit.ledger_events} ledger rows at version ${audit.version}`,
    ],
    [
      seen.available === audit.available,
      `shows ${seen.available} available to readers, not ${audit.available}`,
    ],
  ]
  return checks.filter(([sound]) => !sound).map(([, what]) => `slot ${slotId} ${what}`)
}

function hadBeenHeld(outcome: Purchase['outcome']): boolean {
  return outcome?.status !== 'expired' || outcome.transitions.some(({ status }) => status === 'held')
}

/** A rejection changes nothing about the slot. */
function stepsOf(outcome: Purchase['outcome']): number {
  return outcome === null || outcome.status === 'rejected' ? 0 : outcome.transitions.length
}

/** Everything that is wrong with one purchase. */
export function faultsOfPurchase({
  buyer,
  id,
  outcome,
  repeatId,
  cancelAccepted,
}: Purchase): readonly string[] {
  const checks: readonly (readonly [boolean, string])[] = [
    [outcome !== null, 'was given up as failed'],
    [repeatId === null || repeatId === id, `got another id for the same request and key: ${repeatId}`],
    [
      !cancelAccepted || outcome?.status !== 'confirmed',
      'is confirmed although its cancellation was accepted',
    ],
    [cancelAccepted || outcome?.status !== 'cancelled', 'is cancelled although nobody asked for it'],
    [outcome?.status !== 'held' && outcome?.status !== 'waitlisted', `ends as ${outcome?.status}`],
    [buyer.course !== 'forgets' || outcome?.status !== 'confirmed', 'is confirmed, and nobody did that'],
    [hadBeenHeld(outcome), 'has expired without having been held'],
    [
      outcome === null || outcome.status !== 'rejected' || outcome.reason === 'sold-out',
      `was rejected: ${outcome?.reason}`,
    ],
    [outcome === null || outcome.slot_id === buyer.slotId, 'is for another slot'],
    [outcome === null || outcome.quantity === buyer.quantity, `has quantity ${outcome?.quantity}`],
    [outcome === null || outcome.user_id === buyer.userId, `belongs to ${outcome?.user_id}`],
  ]
  return checks.filter(([sound]) => !sound).map(([, what]) => `reservation ${id} ${what}`)
}
