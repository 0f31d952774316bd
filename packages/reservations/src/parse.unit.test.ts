/** A record of the log, read as a command. */
import { mintId } from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import {
  book,
  cancel,
  confirm,
  erase,
  hold,
  idOf,
  noonMs,
  reserve,
  retire,
  slot,
  update,
  wake,
} from './commands.fixture.ts'
import { parseCommand } from './parse.ts'

const record = (json: unknown) => parseCommand(Buffer.from(JSON.stringify(json)))

describe('a record of the log', () => {
  test.each([
    slot(),
    reserve('ann'),
    hold('ann', 2, { hold_ttl_seconds: 604_800, metadata: { a: 1 } }),
    book('ann'),
    confirm('ann', { late: 'rehold', caller: 'ann' }),
    cancel('ann'),
    update({ capacity: 0 }),
    wake(),
    erase('ann', ['ann']),
    retire(),
  ])('that is a command is read as it was written: $type', (command) => {
    expect(record(command)).toEqual(command)
  })

  test('of version 1 is still read, as a slot and a reservation without what came later', () => {
    const {
      hold_ttl_seconds: _ttl,
      max_per_user: _max,
      waitlist: _line,
      ...old
    } = { ...(slot() as object) } as Record<string, unknown>
    expect(record({ ...old, v: 1 })).toMatchObject({
      hold_ttl_seconds: null,
      max_per_user: null,
      waitlist: false,
    })
    const { mode: _mode, ...plain } = { ...hold('ann') }
    expect(record({ ...plain, v: 1 })).toMatchObject({ type: 'reserve', quantity: 1 })
  })

  test.each([
    ['nothing', parseCommand(null)],
    ['no JSON', parseCommand(Buffer.from('{'))],
    ['an unknown type', record({ ...reserve('ann'), type: 'nonsense' })],
    ['an unknown field', record({ ...reserve('ann'), nonsense: 1 })],
    ['a quantity of 0', record({ ...reserve('ann'), quantity: 0 })],
    ['half a unit', record({ ...reserve('ann'), quantity: 0.5 })],
    ['a TTL of 0', record({ ...hold('ann'), hold_ttl_seconds: 0 })],
    ['a TTL of a year', record({ ...hold('ann'), hold_ttl_seconds: 365 * 24 * 3600 })],
    ['an unknown late', record({ ...confirm('ann'), late: 'maybe' })],
    ['a slot kept for no time', record({ ...retire(), keep_days: 0 })],
    ['a NUL in metadata', record({ ...reserve('ann'), metadata: { a: 'x\0' } })],
    ['an id of another slot', record({ ...reserve('ann'), id: mintId('another', noonMs) })],
    [
      'an erasure at another slot',
      record({ ...erase('ann', ['ann']), reservation_ids: [mintId('another', 1)] }),
    ],
  ])('that is %s is malformed', (_what, parsed) => {
    expect(parsed).toMatchObject({ unreadable: 'malformed' })
  })

  test('that is malformed still says its id', () => {
    expect(record({ ...reserve('ann'), quantity: 0 })).toMatchObject({ commandId: idOf('ann') })
  })

  test('of a newer schema is not discarded', () => {
    expect(record({ ...reserve('ann'), v: 3 })).toMatchObject({
      unreadable: 'newer-schema',
      commandId: idOf('ann'),
    })
  })
})
