/**
 * The group's coordinator: members, their heartbeats, and who has which partition.
 *
 * It is meaner than Kafka's: members learn of a rebalance one by one, whenever they happen to ask, so that two of them
 * believe for a while to have the same partition. The engine treats assignment as a hint (I4), so this must be safe.
 */
import type { Actor, Timeline } from './timeline.ts'

const SESSION_TIMEOUT_MS = 6000
/** At most so long until a member learns of a rebalance. */
const HEARTBEAT_MS = 1500

export interface Member {
  readonly id: string
  readonly actor: Actor
  /** Tells the member what it has now. */
  readonly assigned: (partitions: readonly number[]) => void
  /** Whether its session still sends heartbeats under this id. */
  readonly beats: (id: string) => boolean
}

export class ConsumerGroup {
  readonly #timeline: Timeline
  readonly #partitions: number
  readonly #members = new Map<string, Member>()
  /** Committed offsets by partition, for lag tools and as the place where a new session starts to fetch. */
  readonly offsets = new Map<number, number>()
  /** Hears of each commit of an offset. */
  onCommit: (partition: number, offset: number) => void = () => {}
  #joined = 0
  #generation = 0

  constructor(timeline: Timeline, partitions: number) {
    this.#timeline = timeline
    this.#partitions = partitions
  }

  /** Answers the new member's id. Its partitions come as news, like everybody's. */
  join(actor: Actor, assigned: Member['assigned'], beats: Member['beats']): string {
    const id = `${actor.name}#${this.#joined++}`
    const member = { id, actor, assigned, beats }
    this.#members.set(id, member)
    this.#watch(member)
    this.rebalance()
    return id
  }

  commit(partition: number, offset: number): void {
    this.offsets.set(partition, offset)
    this.onCommit(partition, offset)
  }

  leave(id: string): void {
    if (this.#members.delete(id)) this.rebalance()
  }

  has(id: string): boolean {
    return this.#members.has(id)
  }

  /** Deals the partitions out anew, in an order that the seed draws. */
  rebalance(): void {
    const { random, world } = this.#timeline
    const members = [...this.#members.values()]
    const generation = ++this.#generation
    const shares = new Map<Member, number[]>(members.map((member) => [member, []]))
    const first = random.integer(0, Math.max(0, members.length - 1))
    for (let partition = 0; partition < this.#partitions; partition++) {
      const member = members[(first + partition) % members.length]
      if (member !== undefined) shares.get(member)?.push(partition)
    }
    this.#timeline.say(
      () => `group: ${[...shares].map(([{ id }, share]) => `${id} has ${share.join()}`).join('; ')}`,
      world,
    )
    for (const [member, partitions] of shares) {
      this.#timeline.schedule(member.actor, random.integer(1, HEARTBEAT_MS), () => {
        // Old news is overtaken: a member that asks gets the newest deal.
        if (generation === this.#generation && this.has(member.id)) member.assigned(partitions)
      })
    }
  }

  /** A member whose process or session does not run any more loses its place after the session timeout. */
  #watch(member: Member): void {
    const { random, world } = this.#timeline
    this.#timeline.schedule(world, SESSION_TIMEOUT_MS / 2 + random.integer(0, SESSION_TIMEOUT_MS / 2), () => {
      if (!this.has(member.id)) return
      if (member.actor.state === 'running' && member.beats(member.id)) this.#watch(member)
      else this.leave(member.id)
    })
  }
}
