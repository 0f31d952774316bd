/** What an erasure has done and what it could not reach, for people and for programs. The person's id is in none of it. */
import { type Erased, PASSES_MAX } from './erasure.ts'
import type { LetterWithPerson, OutcomesWithPerson, Remains } from './remains.ts'
import { textTable } from './text-table.ts'

export interface ErasureResult extends Erased {
  readonly pseudonym: string
  readonly remains: Remains
}

const LETTERS_SHOWN_MAX = 100

export function erasureText(result: ErasureResult): string {
  const { reservations, bookings, arrived, complete, pseudonym, remains } = result
  const nothing = reservations + bookings === 0
  return [
    nothing
      ? 'no reservation and no booking names this person'
      : `erased from ${reservations} reservations and ${bookings} bookings; the pseudonym is ${pseudonym}`,
    ...(arrived === 0 ? [] : [`${arrived} of them came while this ran: the person goes on reserving`]),
    ...(complete
      ? []
      : [`NOT COMPLETE: more came in each of ${PASSES_MAX} passes; stop that, then run this again`]),
    '',
    'What may hold the id still:',
    textTable(remainsRows(remains), { align: 'left' }),
  ].join('\n')
}

export function erasureJson({ remains, ...erased }: ErasureResult): object {
  const { reservations, bookings, arrived, complete, pseudonym } = erased
  return {
    complete,
    pseudonym: reservations + bookings === 0 ? null : pseudonym,
    reservations,
    bookings,
    arrived_meanwhile: arrived,
    remains: {
      topics: remains.topics,
      log_kept_until: remains.logKeptUntil,
      log_gone_by: remains.logGoneBy,
      dead_letters: remains.deadLetters,
      outcomes: {
        table: 'applied_commands',
        rows: remains.outcomes.rows,
        kept_until: remains.outcomes.keptUntil,
      },
      side_schemas: remains.sideSchemas,
      others: others.map(([where, what]) => ({ where, what })),
    },
  }
}

/** What no program can look into. */
const others: readonly (readonly [string, string])[] = [
  ['backups', 'of the database, for as long as you keep them: erase again in one that was restored'],
  [
    'logs',
    'of workers and Postgres errors that quote a row; of proxies before the API the paths of requests',
  ],
  [
    'consumers',
    'whatever has read the events: tell them; reservation_erased and booker_erased name the reservations',
  ],
  [
    'passing',
    'the outbox, replies and Redis hold it for seconds; dead rows of Postgres until the next vacuum',
  ],
  [
    'ids',
    'a request with an Idempotency-Key got an id that follows from caller and key: without ID_KEY nothing leads back',
  ],
]

function remainsRows({ topics, logKeptUntil, logGoneBy, deadLetters, outcomes, sideSchemas }: Remains) {
  return [
    [
      'the log',
      `${topics.join(', ')}: kept until ${logKeptUntil}; Kafka removes whole segments, so gone by ${logGoneBy} ` +
        'unless segment.ms is above a week',
    ],
    ['dead letters', lettersText(deadLetters)],
    ['outcomes', outcomesText(outcomes)],
    ...(sideSchemas.length === 0
      ? []
      : [['copies', `kept by replay: ${sideSchemas.join(', ')}; DROP SCHEMA … CASCADE removes one`]]),
    ...others,
  ]
}

function outcomesText({ rows, keptUntil }: OutcomesWithPerson): string {
  if (keptUntil === null) return 'none'
  return (
    `${rows} rows of applied_commands, answers to confirmations: kept until ${keptUntil}, and for as long as the log has ` +
    'records of their time; then ./ironsys retention removes them'
  )
}

function lettersText(letters: readonly LetterWithPerson[]): string {
  if (letters.length === 0) return 'none'
  const shown = (of: readonly LetterWithPerson[]) => {
    const ids = of.slice(0, LETTERS_SHOWN_MAX).map(({ id }) => id)
    return `${ids.join(' ')}${of.length > LETTERS_SHOWN_MAX ? ' …' : ''}`
  }
  const open = letters.filter(({ status }) => status === 'open')
  const discard =
    open.length === 0
      ? ''
      : `; open, so they stay: give them up with ./ironsys dlq discard ${shown(open)} --reason erasure`
  return `${letters.length}: ${shown(letters)}${discard}; ./ironsys retention removes what is resolved`
}
