/** Snapshots in Redis against state. */
import { redisNames } from '@ironsys/contracts'
import type { Slot } from '@ironsys/reservations'
import { describe, expect, test } from 'vitest'
import { useWorld } from './audited-world.fixture.ts'

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

  test('that cannot be read is named', async () => {
    await audited.world.redis.set(redisNames.slot(audited.world.a), 'scribble')
    expect(await audited.findings()).toEqual([
      audited.filled('snapshots: snapshot of slot {a}: what is stored in Redis cannot be read as a snapshot'),
    ])
  })
})
