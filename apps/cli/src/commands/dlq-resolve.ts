import { commandTopics } from '@ironsys/contracts'
import { type Discarded, deadLetterCodes, type Redriven } from '@ironsys/dead-letters'
import { readArguments } from '../arguments.ts'
import { type Command, UsageFault } from '../command.ts'
import { confirmed } from '../confirm.ts'
import { operatorName, withDeadLetterStore, withDeadLetters } from '../dead-letters.ts'
import { wholeNumber } from '../option-values.ts'
import { createProgressMeter } from '../progress-meter.ts'
import { letterIds, recordFilter } from './dlq-look.ts'

const ALL_LETTERS = 1000
const ALL_LETTERS_MAX = 100_000
const REASON_LENGTH = 500

export const dlqRedriveCommand: Command = {
  name: 'dlq redrive',
  summary: 'append the record again: a new attempt under the same id',
  usage: '<id>… | --all [--code <code>] [--topic <name>] [--partition <n>] [--limit <n>] [--yes] [--json]',
  details: `Remove the cause first, or the letter comes back as a new one. A command that was decided meanwhile is not decided
again: redriving is safe to repeat. A record goes to its own topic; what can be read, to the partition that its key belongs to.

  --all        all open letters, the oldest first; asks before
  --code       of --all only ${deadLetterCodes.join(', ')}
  --topic      of --all only those of ${commandTopics.join(' or ')}
  --partition  of --all only those of this partition; of every topic, unless --topic names one
  --limit      of --all at most so many, 1 to ${ALL_LETTERS_MAX}; ${ALL_LETTERS} when it is not given
  --yes        do not ask
  --json       one JSON object per letter, and {"left": <number>} where --limit left some

Exit code: 0 all redriven, 1 some were not or are left, 2 wrong usage.`,
  run: async (args, { config, say }) => {
    const { values, positionals } = readArguments(args, {
      all: { type: 'boolean', default: false },
      code: { type: 'string' },
      topic: { type: 'string' },
      partition: { type: 'string' },
      limit: { type: 'string' },
      yes: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    })
    const chosen = chosenLetters(values, positionals)
    return withDeadLetters(config, async (letters) => {
      const show = values.json ? resultJson : resultText
      const redriveEach = (ids: readonly number[], quiet: boolean) =>
        resolveEach(ids, (id) => letters.redrive(id, operatorName()), {
          say: (id, result) => say(show(id, result)),
          quiet,
          sum: (done) => say(`redriven ${done} of ${ids.length} dead letters`),
        })
      if (chosen.ids !== null) return redriveEach(chosen.ids, false)

      const { ids, total } = await letters.openIds(chosen.filter, chosen.limit)
      if (total === 0) {
        if (!values.json) say('no open dead letters')
        return 0
      }
      const left = total - ids.length
      const question = `Redrive ${left === 0 ? ids.length : `the oldest ${ids.length} of ${total}`} dead letters?`
      if (!(await confirmed({ question, yes: values.yes }))) return 1
      const code = await redriveEach(ids, !values.json)
      if (left === 0) return code
      say(values.json ? JSON.stringify({ left }) : `${left} of ${total} are left: repeat, or raise --limit`)
      return 1
    })
  },
}

export const dlqDiscardCommand: Command = {
  name: 'dlq discard',
  summary: 'give a dead letter up for good',
  usage: '<id>… --reason <text> [--yes] [--json]',
  details: `Its command goes on reading failed. It cannot be redriven any more; the record stays in the table.

  --reason  why, up to ${REASON_LENGTH} characters; kept with who and when
  --yes     do not ask
  --json    one JSON object per letter`,
  run: async (args, { config, say }) => {
    const { values, positionals } = readArguments(args, {
      reason: { type: 'string', default: '' },
      yes: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    })
    const ids = letterIds(positionals)
    if (ids.length === 0) throw new UsageFault('dlq discard takes ids')
    const reason = values.reason.trim()
    if (reason === '' || reason.length > REASON_LENGTH) {
      throw new UsageFault(`--reason: say why, in 1 to ${REASON_LENGTH} characters`)
    }
    const question = `Discard ${ids.length === 1 ? `dead letter ${ids[0]}` : `${ids.length} dead letters`} for good?`
    if (!(await confirmed({ question, yes: values.yes }))) return 1
    const show = values.json ? resultJson : resultText
    return withDeadLetterStore(config, (letters) =>
      resolveEach(ids, (id) => letters.discard(id, operatorName(), reason), {
        say: (id, result) => say(show(id, result)),
        quiet: false,
        sum: () => undefined,
      }),
    )
  },
}

type Result = Redriven | Discarded

interface Report {
  readonly say: (id: number, result: Result) => void
  /** Only what was left as it was is said; the rest is counted and moves the meter. */
  readonly quiet: boolean
  readonly sum: (done: number) => void
}

/** One after the other, so that records keep their order. Answers 0 when all were resolved; a fault ends it. */
async function resolveEach(
  ids: readonly number[],
  resolve: (id: number) => Promise<Result>,
  report: Report,
): Promise<number> {
  const nowMs = () => performance.now()
  const meter = createProgressMeter({
    stream: process.stderr,
    unit: 'dead letters',
    startedMs: nowMs(),
    nowMs,
  })
  let done = 0
  try {
    for (const [index, id] of ids.entries()) {
      const result = await resolve(id)
      const resolved = result.result === 'redriven' || result.result === 'discarded'
      if (resolved) done++
      if (!resolved || !report.quiet) report.say(id, result)
      if (report.quiet) meter.report(index + 1, ids.length)
    }
  } finally {
    meter.clear()
    // Also when a fault ends it: what was resolved is.
    if (report.quiet) report.sum(done)
  }
  return done === ids.length ? 0 : 1
}

interface RedriveOptions {
  readonly all: boolean
  readonly code?: string | undefined
  readonly topic?: string | undefined
  readonly partition?: string | undefined
  readonly limit?: string | undefined
}

/** Either ids, or `--all` and what narrows it. */
function chosenLetters(options: RedriveOptions, words: readonly string[]) {
  const { all, code, topic, partition, limit } = options
  const ids = letterIds(words)
  if (all && ids.length > 0) throw new UsageFault('dlq redrive takes ids or --all, not both')
  if (!all && ids.length === 0) throw new UsageFault('dlq redrive takes ids or --all')
  const narrowed = [code, topic, partition, limit].some((given) => given !== undefined)
  if (!all && narrowed) throw new UsageFault('--code, --topic, --partition and --limit go with --all')
  return {
    ids: all ? null : ids,
    filter: recordFilter(options),
    limit: limit === undefined ? ALL_LETTERS : wholeNumber('--limit', limit, 1, ALL_LETTERS_MAX),
  }
}

function resultText(id: number, result: Result): string {
  switch (result.result) {
    case 'redriven': {
      const { topic, redriven_partition, redriven_offset, command_id } = result.letter
      return `dead letter ${id} is redriven to ${topic} ${redriven_partition}:${redriven_offset}, command ${command_id ?? 'unknown'}`
    }
    case 'discarded':
      return `dead letter ${id} is discarded`
    case 'not-found':
      return `there is no dead letter ${id}`
    case 'busy':
      return `dead letter ${id} is being resolved by somebody else`
    case 'not-open':
      return `dead letter ${id} is ${result.status} already`
    case 'not-text':
      return `dead letter ${id} has no value that any worker can read: discard it`
  }
}

function resultJson(id: number, result: Result): string {
  const letter = 'letter' in result ? result.letter : null
  return JSON.stringify({ id, result: result.result, letter })
}
