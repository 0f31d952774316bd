import { commandTopics } from '@ironsys/contracts'
import { deadLetterCodes, deadLetterStatuses } from '@ironsys/dead-letters'
import { LocalFault } from '@ironsys/local'
import { readArguments, readOptions } from '../arguments.ts'
import { type Command, UsageFault } from '../command.ts'
import { deadLetterTable, deadLetterText } from '../dead-letter-text.ts'
import { withDeadLetterStore } from '../dead-letters.ts'
import { oneOf, wholeNumber } from '../option-values.ts'

const PAGE_LETTERS = 50
const PAGE_LETTERS_MAX = 1000
const PARTITION_MAX = 65_535

export const dlqListCommand: Command = {
  name: 'dlq list',
  summary: 'list dead letters, the newest first',
  usage:
    '[--status <status>] [--code <code>] [--topic <name>] [--partition <n>] [--limit <n>] [--before <id>] [--json]',
  details: `  --status     ${deadLetterStatuses.join(', ')} or all; open when it is not given
  --code       ${deadLetterCodes.join(', ')}
  --topic      only of ${commandTopics.join(' or ')}
  --partition  only of this partition; of every topic, unless --topic names one
  --limit      at most so many, 1 to ${PAGE_LETTERS_MAX}; ${PAGE_LETTERS} when it is not given
  --before     the page after the one that ended with this id
  --json       {"items": […], "next": <id or null>}`,
  run: async (args, { config, say }) => {
    const options = readOptions(args, {
      status: { type: 'string', default: 'open' },
      code: { type: 'string' },
      topic: { type: 'string' },
      partition: { type: 'string' },
      limit: { type: 'string', default: String(PAGE_LETTERS) },
      before: { type: 'string' },
      json: { type: 'boolean', default: false },
    })
    const filter = {
      status: options.status === 'all' ? undefined : oneOf('--status', options.status, deadLetterStatuses),
      ...recordFilter(options),
    }
    const limit = wholeNumber('--limit', options.limit, 1, PAGE_LETTERS_MAX)
    const before = options.before === undefined ? undefined : wholeNumber('--before', options.before, 1)
    const page = await withDeadLetterStore(config, (letters) => letters.list(filter, limit, before))
    if (options.json) say(JSON.stringify(page))
    else if (page.items.length === 0) say('no dead letters')
    else say(deadLetterTable(page.items))
    if (!options.json && page.next !== null) say(`\nthere are more: --before ${page.next}`)
    return 0
  },
}

export const dlqShowCommand: Command = {
  name: 'dlq show',
  summary: 'show one dead letter: why, key and value, and all letters of the same command',
  usage: '<id> [--json]',
  details: 'Of a long value the first 4096 bytes are shown. A value that is not UTF-8 is shown in base64.',
  run: async (args, { config, say }) => {
    const { values, positionals } = readArguments(args, { json: { type: 'boolean', default: false } })
    const [id, ...more] = letterIds(positionals)
    if (id === undefined || more.length > 0) throw new UsageFault('dlq show takes one id')
    const letter = await withDeadLetterStore(config, (letters) => letters.show(id))
    if (letter === null) throw new LocalFault(`there is no dead letter ${id}`)
    say(values.json ? JSON.stringify(letter) : deadLetterText(letter))
    return 0
  },
}

/** Which records, by `--code`, `--topic` and `--partition`. Throws {@link UsageFault}. */
export function recordFilter(options: {
  readonly code?: string | undefined
  readonly topic?: string | undefined
  readonly partition?: string | undefined
}) {
  const { code, topic, partition } = options
  return {
    code: code === undefined ? undefined : oneOf('--code', code, deadLetterCodes),
    topic: topic === undefined ? undefined : oneOf('--topic', topic, commandTopics),
    partition: partition === undefined ? undefined : wholeNumber('--partition', partition, 0, PARTITION_MAX),
  }
}

/** Each once, in the order given. Throws {@link UsageFault}. */
export function letterIds(words: readonly string[]): readonly number[] {
  return [...new Set(words.map((word) => wholeNumber('the id of a dead letter', word, 1)))]
}
