import type { AuditDocument } from '@ironsys/contracts'
import { expect, test } from 'vitest'
import { drawBuyers } from './buyers.ts'
import type { Purchase } from './purchase.ts'
import { faultsOfPurchase, faultsOfSlot } from './verdict.ts'

const slotId = 's'

type Status = 'confirmed' | 'rejected' | 'cancelled' | 'expired' | 'held'

/** The lives that these end. */
const lives: Readonly<Record<Status, readonly string[]>> = {
  confirmed: ['confirmed'],
  rejected: ['rejected'],
  cancelled: ['confirmed', 'cancelled'],
  expired: ['held', 'expired'],
  held: ['held'],
}

function purchase(status: Status, more: Partial<Purchase> = {}): Purchase {
  const [buyer] = drawBuyers(1, [slotId], 1)
  if (buyer === undefined) throw new Error('no buyer')
  const outcome = {
    id: 'r',
    slot_id: slotId,
    user_id: buyer.userId,
    quantity: buyer.quantity,
    status,
    created_at: '',
    transitions: lives[status].map((each) => ({ status: each, at: '' })),
    slot_version: 1,
    ...(status === 'rejected' && { reason: 'sold-out' }),
  } as Purchase['outcome']
  const base = { buyer, id: 'r', cursor: 'c', sentMs: 0, acceptMs: 1, decisionMs: 2, repeatId: null }
  return { ...base, cancelAccepted: status === 'cancelled', outcome, ...more }
}

const audit: AuditDocument = {
  capacity: 10,
  held: 0,
  confirmed: 4,
  available: 6,
  version: 7,
  ledger_events: 7,
  balanced: true,
}
// One created the slot, two confirmations, one confirmed and cancelled, one held and expired.
const purchases = (['confirmed', 'confirmed', 'cancelled', 'rejected', 'expired'] as const).map((status) =>
  purchase(status),
)
const evidence = { slotId, capacity: 10, audit, seen: { available: 6, version: 7 }, purchases }

test('a sound slot has no faults', () => {
  expect(faultsOfSlot(evidence)).toEqual([])
})

test.each<[string, Partial<typeof evidence>]>([
  ['not balanced', { audit: { ...audit, balanced: false } }],
  ['oversold', { capacity: 1, audit: { ...audit, capacity: 1, available: -1 } }],
  ['buyers hold', { purchases: purchases.slice(1) }],
  ['a second effect', { audit: { ...audit, version: 8, ledger_events: 8 } }],
  ['ledger rows', { audit: { ...audit, ledger_events: 6 } }],
  ['holds', { audit: { ...audit, held: 1 } }],
  ['to readers', { seen: { available: 9, version: 7 } }],
])('is told when it is broken: %s', (_name, broken) => {
  expect(faultsOfSlot({ ...evidence, ...broken })).not.toEqual([])
})

test('purchases', () => {
  expect(purchases.flatMap(faultsOfPurchase)).toEqual([])
  expect(faultsOfPurchase(purchase('confirmed', { repeatId: 'another' }))).toHaveLength(1)
  expect(faultsOfPurchase(purchase('confirmed', { cancelAccepted: true }))).toHaveLength(1)
  expect(faultsOfPurchase(purchase('cancelled', { cancelAccepted: false }))).toHaveLength(1)
  expect(faultsOfPurchase(purchase('confirmed', { outcome: null }))).toHaveLength(1)
  expect(faultsOfPurchase(purchase('held'))).toHaveLength(1)
  const { buyer } = purchase('confirmed')
  const forgets = { buyer: { ...buyer, course: 'forgets' } } as const
  expect(faultsOfPurchase(purchase('confirmed', forgets))).toHaveLength(1)
  expect(faultsOfPurchase(purchase('expired', forgets))).toHaveLength(0)
})

test('the same seed draws the same buyers, under other keys', () => {
  const draw = () => drawBuyers(50, ['a', 'b'], 7)
  const withoutKey = ({ key: _, ...rest }: ReturnType<typeof draw>[number]) => rest
  expect(draw().map(withoutKey)).toEqual(draw().map(withoutKey))
  expect(new Set([...draw(), ...draw()].map(({ key }) => key)).size).toBe(100)
})
