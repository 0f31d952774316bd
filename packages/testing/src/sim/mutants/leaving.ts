/** What leaves. */
import { edit, type Mutant } from './mutant.ts'

const writer = 'packages/engine/src/partition-writer.ts'
const publisher = 'packages/outbox/src/publisher.ts'

export const leavingMutants: readonly Mutant[] = [
  {
    name: 'event-before-commit',
    what: 'events go to the publisher before the commit is known',
    edits: [
      edit(
        writer,
        '      await this.#commit(batch)\n      if (effects.segment !== null) publisher.committed(this.#id, effects.segment)\n',
        '      if (effects.segment !== null) publisher.committed(this.#id, effects.segment)\n      await this.#commit(batch)\n',
      ),
    ],
  },
  {
    name: 'reply-before-commit',
    what: 'snapshots and replies leave before the commit is known',
    edits: [
      edit(
        writer,
        '      await this.#commit(batch)\n',
        '      sink.committed(batch.committed)\n      await this.#commit(batch)\n',
      ),
    ],
  },
  {
    name: 'snapshot-without-guard',
    what: 'an API instance takes whatever snapshot arrives last',
    edits: [
      edit(
        'packages/cache/src/snapshot-cache.ts',
        'if (held !== undefined && !isOlder(held, snapshot)) {',
        'if (held !== undefined && held.epoch === snapshot.epoch && held.version === snapshot.version) {',
      ),
    ],
  },
  {
    name: 'redis-without-guard',
    what: 'a snapshot in Redis is overwritten by an older one',
    edits: [
      edit(
        'packages/testing/src/twins/memory-redis.ts',
        "if (isNewer(peek(key)?.text ?? '', epoch, version)) return 0",
        'if (epoch < 0) return 0',
      ),
    ],
  },
  {
    name: 'outbox-emptied-before-sending',
    what: 'events leave the outbox before they are sent',
    edits: [
      edit(
        publisher,
        '    await this.#deps.events.send(',
        '    await this.#deps.store.removePublished(this.#id, segments.at(-1)?.lastSeq ?? 0)\n    await this.#deps.events.send(',
      ),
    ],
  },
  {
    name: 'old-events-not-sent',
    what: 'a new owner does not send what the old one left in the outbox',
    edits: [edit(publisher, '      lane.readBack()\n', '')],
  },
  {
    name: 'replies-not-sent',
    what: 'nobody who waits for a decision hears of it',
    edits: [
      edit(
        'packages/cache/src/redis-sink.ts',
        '!this.#pending.addReply(reply)',
        'reply.to !== "" || !this.#pending.addReply(reply)',
      ),
    ],
  },
]
