/** The fence, the outbox, the log's end and the outcomes of what was accepted. */
import { randomUUID } from 'node:crypto'
import { mintId, topics } from '@ironsys/contracts'
import type { LogRecord } from '@ironsys/engine'
import { describe, expect, test } from 'vitest'
import { runAudit } from './audit.ts'
import { type Damage, describeDamages, useWorld } from './audited-world.fixture.ts'
import type { LogSource } from './log-source.ts'

const audited = useWorld()

const inProgress: readonly Damage[] = [
  [
    'a rejection lost',
    `DELETE FROM reservations WHERE id = '{rejected}'`,
    'outcomes: partition {partition} of reservations.commands: offset ',
  ],
  [
    'a remembered outcome lost',
    `DELETE FROM applied_commands WHERE command_id = '{updateId}'`,
    'outcomes: partition {partition} of reservations.commands: offset ',
  ],
  [
    'a dead letter lost',
    'DELETE FROM dead_letters',
    'outcomes: partition {partition} of reservations.commands: offset ',
  ],
  [
    'a fence beyond the log',
    fence('next_offset = 50'),
    'partitions: partition {partition} of reservations.commands: next_offset is 50, but the log ends at ',
  ],
  [
    'a fence set back to the beginning',
    fence('next_offset = 0'),
    'partitions: partition {partition} of reservations.commands: next_offset is 0, but the partition has decided before',
  ],
  [
    'a row gone',
    'DELETE FROM partition_progress WHERE partition = {partition}',
    'partitions: partition {partition} of reservations.commands: the log ends at ',
    'outcomes: partition {partition} of reservations.commands: offset 0 and those after it are undecided for ',
  ],
  [
    'an outbox of a topic that nobody writes',
    `INSERT INTO outbox (topic, partition, first_seq, last_seq, messages) VALUES ('nope', 0, 1, 1, '[]')`,
    'outbox: partition 0 of nope: 1 segments in the outbox are of a partition that nobody writes',
  ],
  [
    'an outbox of a partition that nobody writes',
    `INSERT INTO outbox (topic, partition, first_seq, last_seq, messages) VALUES ('${topics.reservationCommands}', 99, 1, 1, '[]')`,
    'outbox: partition 99 of reservations.commands: 1 segments in the outbox are of a partition that nobody writes',
  ],
  [
    'another record applied',
    fence("last_record_digest = 'x'"),
    'partitions: partition {partition} of reservations.commands: the record at offset ',
  ],
  [
    'a record of another time',
    fence("last_record_time = last_record_time - interval '1 s'"),
    'partitions: partition {partition} of reservations.commands: the record at offset ',
  ],
  [
    'a record forgotten',
    fence('last_record_digest = NULL'),
    'partitions: partition {partition} of reservations.commands: next_offset is ',
  ],
  [
    'another cluster',
    fence("cluster_id = 'x'"),
    'partitions: partition {partition} of reservations.commands: it was written from Kafka cluster x, this is test-cluster',
  ],
  [
    'another partition count',
    fence('partition_count = 3'),
    'partitions: partition {partition} of reservations.commands: it was written with 3 partitions, the topic has 2',
  ],
  [
    'a log time that went back',
    fence("log_time = log_time - interval '1 hour'"),
    'partitions: partition {partition} of reservations.commands: log_time is before the time of the last record',
  ],
  [
    'a log time ahead',
    fence("log_time = now() + interval '1 hour'"),
    "partitions: partition {partition} of reservations.commands: log_time is ahead of the database's clock",
  ],
  [
    'events that nobody has',
    fence('event_seq = event_seq + 2'),
    'events: partition {partition} of reservations.commands: events ',
  ],
  [
    'events that were never decided',
    fence('event_seq = 0'),
    'events: partition {partition} of reservations.commands: the events topic has event ',
  ],
  [
    'a hole in the outbox',
    outbox('(1, 2, now()), (4, 5, now())'),
    'outbox: partition {partition} of reservations.commands: events 3 to 3 are neither published nor in the outbox',
  ],
  [
    'an outbox that ends too soon',
    outbox('(1, 2, now())'),
    'outbox: partition {partition} of reservations.commands: the outbox ends at event 2, but the partition is at ',
  ],
  [
    'an outbox that is stuck',
    outbox("(1, 2, now() - interval '2 minutes')"),
    'outbox: partition {partition} of reservations.commands: event 1 and those after it are unpublished for 120 s',
  ],
]

function fence(set: string): string {
  return `UPDATE partition_progress SET ${set} WHERE partition = {partition}`
}

function outbox(rows: string): string {
  return `INSERT INTO outbox (topic, partition, first_seq, last_seq, messages, created_at)
    SELECT '${topics.reservationCommands}', {partition}, first, last, '[]', at FROM (VALUES ${rows}) v (first, last, at)`
}

describeDamages('progress', inProgress, audited)

describe('the log', () => {
  const commands = () => audited.world.log.records(topics.reservationCommands, audited.world.partition)
  const events = () => audited.world.log.records(topics.reservationEvents, audited.world.partition)

  test('whose tail is another is named', async () => {
    const last = commands().pop()
    commands().push({ ...requireRecord(last), value: Buffer.from('{}') })
    expect(await audited.findings()).toContainEqual(
      expect.stringContaining('is not the one that was applied'),
    )
  })

  test('whose last record retention has taken is fine', async () => {
    const end = (commands().at(-1)?.offset ?? 0) + 1
    commands().splice(0, commands().length, { offset: end, timeMs: Date.now(), key: null, value: null })
    expect(await audited.findings()).toEqual([])
  })

  test('with an event missing is named, with events repeated it is not', async () => {
    const copy = [...events()]
    const repeated = copy.slice(-2).map((record, index) => ({ ...record, offset: copy.length + index }))
    events().push(...repeated)
    expect(await audited.findings()).toEqual([])
    // A window of two that shows a repeat of the first event and then a new one: no gap in the log as a whole.
    events().push({ ...requireRecord(copy[0]), offset: events().length })
    const { a, updateId, writer } = audited.world
    const change = { v: 1, type: 'update_slot', slot_id: a, name: 'Again' }
    await writer.apply(a, { ...change, id: `${updateId.slice(0, -4)}beef` })
    expect(await audited.findings({ eventsMax: 2 })).toEqual([])
    events().splice(1, 1)
    expect(await audited.findings()).toContainEqual(
      audited.filled(
        'events: partition {partition} of reservations.commands: offset 2 of the events topic: event 3 follows event 1',
      ),
    )
  })
})

describe('what is above the fence', () => {
  const appendUndecided = (ageMs: number): LogRecord => {
    const { a, log, partition } = audited.world
    const id = { topic: topics.reservationCommands, partition }
    const command = { v: 1, type: 'reserve', id: mintId(a, 0), slot_id: a, user_id: 'ann', quantity: 1 }
    const record = { ...log.append(id, a, JSON.stringify(command)), timeMs: Date.now() - ageMs }
    log.records(id.topic, partition).splice(-1, 1, record)
    return record
  }

  test('owes no outcome while it is young', async () => {
    appendUndecided(10_000)
    expect(await audited.findings()).toEqual([])
  })

  test('is named when it is undecided for long, with what to do', async () => {
    const { offset } = appendUndecided(120_000)
    const { findings } = await audited.audit()
    expect(findings).toMatchObject([
      {
        check: 'outcomes',
        detail: expect.stringMatching(
          new RegExp(`^offset ${offset} and those after it are undecided for 12\\d s`),
        ),
        remedy: expect.stringContaining('halted'),
      },
    ])
  })

  test('is fine where the fence moves between two looks', async () => {
    const { world } = audited
    const { offset } = appendUndecided(120_000)
    const log: LogSource = {
      ...world.log,
      read: async (topic, ranges, handle) => {
        await world.log.read(topic, ranges, handle)
        await world.pool.query(audited.filled(fence(`next_offset = ${offset + 1}`)))
      },
    }
    const report = await runAudit({ ...world, log, nowMs: () => 0 }, { only: ['outcomes'] })
    expect(report).toMatchObject({ findings: [], complete: true })
  })
})

test('what was cancelled before it was reserved may be confirmed', async () => {
  const { a, b, only, writer } = audited.world
  const early = mintId(a, 0)
  await writer.apply(a, { v: 1, type: 'cancel', id: randomUUID(), reservation_id: early })
  const user_id = 'ann'
  await writer.apply(a, { v: 1, type: 'reserve', id: early, slot_id: a, user_id, quantity: 1 })
  expect(await audited.findings()).toEqual([])
  await writer.apply(b, { v: 1, type: 'cancel', id: randomUUID(), reservation_id: only })
  await audited.world.pool.query(
    `UPDATE reservations SET status = 'confirmed', transitions = NULL WHERE id = '${only}'`,
  )
  expect(await audited.findings({ only: ['outcomes'] })).toEqual([
    expect.stringContaining(`reservation ${only} was cancelled, but is held, confirmed or waitlisted`),
  ])
})

describe('a cancel in the same millisecond as its reserve', () => {
  /** The cancel of a new reservation, undone by hand, in a log where both have one time. */
  const cancelLost = async () => {
    const { a, log, partition, pool, writer } = audited.world
    const id = mintId(a, 0)
    await writer.apply(a, { v: 1, type: 'reserve', id, slot_id: a, user_id: 'ann', quantity: 1 })
    await writer.apply(a, { v: 1, type: 'cancel', id: randomUUID(), reservation_id: id })
    await pool.query(`UPDATE reservations SET status = 'confirmed', transitions = NULL WHERE id = '${id}'`)
    const records = log.records(topics.reservationCommands, partition)
    const [reserve, cancel] = records.slice(-2).map(requireRecord)
    records.pop()
    records.push({ ...requireRecord(cancel), timeMs: requireRecord(reserve).timeMs })
    return id
  }

  test('is judged within one batch of records', async () => {
    const id = await cancelLost()
    expect(await audited.findings({ only: ['outcomes'] })).toEqual([
      expect.stringContaining(`reservation ${id} was cancelled, but is held, confirmed or waitlisted`),
    ])
  })

  test('is not judged in another batch: it may have come first', async () => {
    await cancelLost()
    const { world } = audited
    const log: LogSource = {
      ...world.log,
      read: (topic, ranges, handle) =>
        world.log.read(topic, ranges, async (partition, records) => {
          for (const record of records) await handle(partition, [record])
        }),
    }
    const report = await runAudit({ ...world, log, nowMs: () => 0 }, { only: ['outcomes'] })
    expect(report).toMatchObject({ findings: [], complete: true })
  })
})

test('a fence that moved on while retention passed where it was is fine', async () => {
  const { world } = audited
  const rename = (name: string) =>
    world.writer.apply(world.a, { v: 1, type: 'update_slot', id: randomUUID(), slot_id: world.a, name })
  const log: LogSource = {
    ...world.log,
    bounds: async (topic) => {
      if (topic === topics.reservationCommands) {
        await rename('One')
        await rename('Two')
        const records = world.log.records(topic, world.partition)
        records.splice(0, records.length - 1)
      }
      return world.log.bounds(topic)
    },
  }
  const report = await runAudit({ ...world, log, nowMs: () => 0 }, { only: ['partitions'] })
  expect(report).toMatchObject({ findings: [], complete: true })
})

function requireRecord(record: LogRecord | undefined): LogRecord {
  if (record === undefined) throw new Error('there is no record')
  return record
}
