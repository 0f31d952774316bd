/** What is asked for in one simulation: a few slots, many buyers, operators, and records that should not be there. */
import { partitionOfKey } from '@ironsys/contracts'
import type { ApiProcess } from './api.ts'
import type { Clients } from './clients.ts'
import { type Intent, reservationIdOf, slotIdOf, type Wish, writeCommand } from './commands.ts'
import type { Random } from './random.ts'
import { commandTopic, type System } from './system.ts'
import { START_MS } from './timeline.ts'

export interface WorkloadSettings {
  readonly seed: number
  readonly slots: number
  readonly intents: number
  readonly lengthMs: number
  readonly reads: number
  readonly poison: number
  /** Whether a producer of a later release takes part. */
  readonly newer: boolean
}

/** Answers the ids of the slots. */
export function startWorkload(
  system: System,
  clients: Clients,
  apis: () => readonly ApiProcess[],
  settings: WorkloadSettings,
): readonly string[] {
  const { random, world } = system.timeline
  const slotIds = Array.from({ length: settings.slots }, (_, index) => slotIdOf(settings.seed, index))
  const atRandom = () => random.integer(0, settings.lengthMs)
  for (const slotId of slotIds)
    clients.ask(creating(slotId, random, settings.lengthMs), random.integer(0, 300))
  const asked: Intent[] = []
  for (let number = 0; number < settings.intents; number++) {
    const intent = someIntent(number, slotIds, asked, random, settings)
    asked.push(intent)
    clients.ask(intent, 200 + atRandom())
  }
  for (let number = 0; number < settings.poison; number++) {
    system.timeline.schedule(world, atRandom(), () => appendPoison(system, slotIds, number))
  }
  for (let number = 0; number < settings.reads; number++) {
    system.timeline.schedule(world, atRandom(), () => {
      const api = random.pickAny(apis())
      const slotId = random.pickAny(slotIds)
      if (api === undefined || slotId === undefined) return
      system.timeline.schedule(api.actor, 1, () => void api.read(slotId))
    })
  }
  return slotIds
}

/** One more reservation for each slot. */
export function askOnceMore(clients: Clients, slotIds: readonly string[]): void {
  slotIds.forEach((slotId, index) => {
    const wish: Wish = { type: 'reserve', slotId, quantity: 1, refused: false, newer: false }
    clients.ask({ key: 'after healing', user: `last user ${index}`, wish }, 0)
  })
}

function creating(slotId: string, random: Random, lengthMs: number): Intent {
  // Some sell out at once, some never.
  const capacity = random.integer(1, random.pick([8, 40, 400]))
  const soon = () => (random.chance(0.3) ? START_MS + random.integer(0, lengthMs) : null)
  const wish: Wish = {
    type: 'create_slot',
    slotId,
    capacity,
    overbookingBps: random.pick([0, 0, 0, 500, 2500, 10_000]),
    salesOpenMs: soon(),
    salesCloseMs: soon(),
  }
  return { key: 'create', user: 'operator', wish }
}

function someIntent(
  number: number,
  slotIds: readonly string[],
  asked: readonly Intent[],
  random: Random,
  { newer, lengthMs }: WorkloadSettings,
): Intent {
  const slotId = random.pickAny(slotIds) ?? ''
  const own = { key: `key ${number}`, user: `user ${number}` }
  const earlier = random.pickAny(asked)
  const kind = random.fraction()
  if (kind < 0.15 && earlier?.wish.type === 'reserve') {
    const reservationId = reservationIdOf(earlier, earlier.wish.slotId)
    return { ...own, wish: { type: 'cancel', reservationId } }
  }
  if (kind < 0.23) {
    const capacity = random.chance(0.7) ? random.integer(0, random.pick([50, 400])) : null
    const status = random.chance(0.3) ? random.pick<'open' | 'closed'>(['open', 'closed']) : null
    return { ...own, wish: { type: 'update_slot', slotId, capacity, status } }
  }
  if (kind < 0.25) return { ...creating(slotId, random, lengthMs), ...own }
  // The same key for another request: the first to be decided wins.
  if (kind < 0.28 && earlier?.wish.type === 'reserve') {
    return { ...earlier, wish: { ...earlier.wish, quantity: earlier.wish.quantity + 1 } }
  }
  const refused = random.chance(0.03)
  return {
    ...own,
    wish: {
      type: 'reserve',
      slotId,
      quantity: random.integer(1, 3),
      refused,
      newer: newer && random.chance(0.05),
    },
  }
}

/** Somebody else's producer writes what no edge would. */
function appendPoison(system: System, slotIds: readonly string[], number: number): void {
  const { random } = system.timeline
  const { checker, log, partitions } = system
  const slotId = random.pickAny(slotIds) ?? ''
  const intent: Intent = {
    key: `poison ${number}`,
    user: 'poisoner',
    wish: { type: 'reserve', slotId, quantity: 1, refused: false, newer: false },
  }
  const sound = writeCommand(intent, `nobody/${number}`, partitions)
  const home = partitionOfKey(slotId, partitions)
  const abroad = (home + 1) % partitions
  const malformed = random.pick([
    `not JSON ${number}`,
    `{"v":1,"number":${number}}`,
    sound.value.replace('"quantity":1', '"quantity":-1'),
    sound.value.replace('"type":"reserve"', '"type":"steal"'),
  ])
  const misrouted = abroad !== home && random.chance(0.3)
  const value = misrouted ? sound.value : malformed
  checker.meanings.set(value, { kind: 'poison', code: misrouted ? 'misrouted' : 'malformed' })
  log.append(commandTopic, misrouted ? abroad : home, slotId, value)
}
