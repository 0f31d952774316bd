/** Snapshots in Redis against state. */
import { redisNames } from '@ironsys/contracts'
import type { Slot } from '@ironsys/reservations'
import { describe, expect, test } from 'vitest'
import { useWorld } from './audited-world.fixture.ts'
import { planRepair, repairSlot } from './repair.ts'

const audited = useWorld()

describe('a snapshot', () => {
  const more = (units: number) => (slot: Slot) => ({ ...slot, version: slot.version + units })

  test('ahead of state is named, by version and by epoch', async () => {
    await audited.world.putSnapshot(audited.world.a, more(1))
    await audited.world.putSnapshot(audited.world.b, undefined, 2)
    expect(await audited.findings({ only: ['snapshots'] })).toEqual(
      [
        'snapshots: snapshot of slot {a}: it is ahead: epoch 1, version 7, state is at epoch 1, version 6',
        'snapshots: snapshot of slot {b}: it is ahead: epoch 2, version 2, state is at epoch 1, version 2',
      ]
        .map(audited.filled)
        .sort(),
    )
  })

  test('that differs at the same version is named', async () => {
    await audited.world.putSnapshot(audited.world.a, (slot) => ({ ...slot, name: 'Other' }))
    expect(await audited.findings()).toEqual([
      audited.filled(
        'snapshots: snapshot of slot {a}: it differs from state at the same version: name is "Other", state has "Renamed"',
      ),
    ])
  })

  test('that stays behind is named, one that catches up is not', async () => {
    await audited.world.putSnapshot(audited.world.a, more(-1))
    await audited.world.putSnapshot(audited.world.b, more(-1))
    const options = { snapshotWaitMs: 2000, snapshotLooks: 20 }
    const [said] = await Promise.all([audited.findings(options), audited.world.putSnapshot(audited.world.b)])
    expect(said).toEqual([
      audited.filled(
        'snapshot-behind: snapshot of slot {a}: it stays at epoch 1, version 5 for 2 s, state was at epoch 1, version 6 before',
      ),
    ])
  })

  test('under a key of another type is named and repaired', async () => {
    const { a, redis } = audited.world
    await redis.lpush(redisNames.slot(a), 'scribble')
    const { findings, complete } = await audited.audit()
    expect(complete).toBe(true)
    expect(findings).toMatchObject([
      { check: 'snapshots', slotId: a, detail: 'what is stored in Redis cannot be read as a snapshot' },
    ])
    const { repairs } = await planRepair(audited.world, findings)
    for (const repair of repairs)
      expect(await repairSlot(audited.world, repair)).toMatchObject({ epoch: null, snapshotFault: null })
    expect(await audited.findings()).toEqual([])
    expect(await redis.get(redisNames.slot(a))).toMatch(/^1:6:/)
  })

  test('of a slot whose ledger is damaged does not offer a repair that is refused', async () => {
    const { a } = audited.world
    await audited.world.redis.set(redisNames.slot(a), 'scribble')
    await audited.world.pool.query(`DELETE FROM slot_ledger WHERE slot_id = '${a}' AND version = 3`)
    const { findings } = await audited.audit()
    expect(findings).toContainEqual(expect.objectContaining({ check: 'snapshots', repairable: null }))
    await audited.world.pool.query(`DELETE FROM slots WHERE id = '${a}'`)
    expect((await audited.audit()).findings).toContainEqual(
      expect.objectContaining({
        check: 'orphans',
        repairable: null,
        detail: expect.stringContaining('5 ledger entries'),
      }),
    )
  })

  test('that cannot be read is named', async () => {
    await audited.world.redis.set(redisNames.slot(audited.world.a), 'scribble')
    expect(await audited.findings()).toEqual([
      audited.filled('snapshots: snapshot of slot {a}: what is stored in Redis cannot be read as a snapshot'),
    ])
  })
})
