import { randomUUID } from 'node:crypto'
import { userIdSchema } from '@ironsys/contracts'
import { readOptions } from '../arguments.ts'
import { type Command, type Context, UsageFault } from '../command.ts'
import { confirmed } from '../confirm.ts'
import { withDeployment } from '../deployment.ts'
import { countPerson, type ErasureDeps, erasePerson } from '../erasure.ts'
import { type ErasureResult, erasureJson, erasureText } from '../erasure-text.ts'
import { createProgressMeter } from '../progress-meter.ts'
import { findRemains } from '../remains.ts'
import { createWriters } from '../writers.ts'

const PURPOSE = 'erase'
const NOT_ALL_EXIT_CODE = 1

export const eraseCommand: Command = {
  name: 'erase',
  summary: 'take a person out of all reservations and bookings, for good',
  usage: '--user <id> [--yes] [--json]',
  details: `The writer of each slot and booking replaces the id by a pseudonym, erased-<uuid>, and drops metadata and the hash of the
request, in state and ledger in one transaction: units, statuses and times stay, so that everything still balances and
replays. Workers must run. What was accepted before is decided first, and erased too; what is reserved while it runs is
erased in further passes. Then it says what still holds the id (log, dead letters, backups, …) and until when.

  --user <id>  as it stands in reservations; it also stands in your shell's history now
  --yes        do not ask
  --json       one JSON object on stdout; needs --yes

It cannot be undone. The pseudonym is random and shown in the result alone: once the log has let go of the commands,
nothing leads from the id to it. Run again, after a fault too, it erases what is left, under another pseudonym.
Exit code: 0 nothing names the person, ${NOT_ALL_EXIT_CODE} not or not all erased, 2 wrong usage.`,
  run: async (args, context) => {
    const options = readEraseOptions(args)
    return withDeployment(context.config, PURPOSE, {}, (access) =>
      erase({ pool: access.pool, writers: createWriters(access) }, options, context),
    )
  },
}

interface Options {
  readonly userId: string
  readonly yes: boolean
  readonly json: boolean
}

/** The id itself is in no message. */
function readEraseOptions(args: readonly string[]): Options {
  const { user, yes, json } = readOptions(args, {
    user: { type: 'string' },
    yes: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  })
  if (user === undefined) throw new UsageFault('erase takes --user <id>')
  if (!userIdSchema.safeParse(user).success) {
    throw new UsageFault('--user: a user id has 1 to 128 printable characters')
  }
  if (json && !yes) throw new UsageFault('--json cannot ask: it needs --yes')
  return { userId: user, yes, json }
}

async function erase(deps: ErasureDeps, { userId, yes, json }: Options, { say }: Context): Promise<number> {
  const { reservations, bookings } = await countPerson(deps, userId)
  const nothing = reservations + bookings === 0
  const question = `Erase this person from ${reservations} reservations and ${bookings} bookings for good?`
  if (!nothing && !(await confirmed({ question, yes }))) return NOT_ALL_EXIT_CODE
  const pseudonym = `erased-${randomUUID()}`
  const erased = await eraseWithProgress(deps, { userId, pseudonym })
  const result: ErasureResult = {
    ...erased,
    pseudonym,
    remains: await findRemains(deps.pool, userId, Date.now()),
  }
  say(json ? JSON.stringify(erasureJson(result)) : erasureText(result))
  return result.complete ? 0 : NOT_ALL_EXIT_CODE
}

async function eraseWithProgress(deps: ErasureDeps, person: { userId: string; pseudonym: string }) {
  const nowMs = () => performance.now()
  const unit = 'reservations and bookings'
  const meter = createProgressMeter({ stream: process.stderr, unit, startedMs: nowMs(), nowMs })
  return erasePerson(deps, person, meter.report).finally(meter.clear)
}
