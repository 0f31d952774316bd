/** Dead letters for people. What a record holds was written by anybody: nothing of it reaches a terminal unescaped. */
import type { DeadLetter, Preview, ShownDeadLetter } from '@ironsys/dead-letters'
import { printable, printableLine } from './printable.ts'
import { textTable } from './text-table.ts'

const DETAIL_LENGTH = 60

const header = ['id', 'log time', 'record', 'code', 'status', 'command', 'detail'] as const

/** One line per letter. */
export function deadLetterTable(letters: readonly DeadLetter[]): string {
  const rows = letters.map((letter) => [
    String(letter.id),
    letter.at,
    `${printableLine(letter.topic)} ${placeOf(letter.partition, letter.offset)}`,
    letter.code,
    letter.status,
    letter.command_id ?? '-',
    shortened(printableLine(letter.detail)),
  ])
  return textTable([header, ...rows], { align: 'left' })
}

/** Everything about one letter. */
export function deadLetterText(letter: ShownDeadLetter): string {
  const { chain } = letter
  const fields: readonly (readonly [string, string])[] = [
    ['dead letter', String(letter.id)],
    ['code', letter.code],
    ['detail', printableLine(letter.detail)],
    ['status', statusText(letter)],
    ['command', letter.command_id ?? 'its id cannot be read'],
    ['record', `${letter.topic} ${placeOf(letter.partition, letter.offset)}, ${letter.at}`],
    ['key', letter.key === null ? 'none' : previewText(letter.key)],
  ]
  const value = letter.value === null ? 'no value' : previewText(letter.value)
  const others =
    chain.length > 1 ? ['', `all ${chain.length} letters of this command:`, deadLetterTable(chain)] : []
  return [...fields.map(([name, text]) => `${name.padEnd(12)}  ${text}`), '', value, ...others].join('\n')
}

function statusText({
  status,
  resolved_at,
  resolved_by,
  resolution,
  redriven_partition,
  redriven_offset,
}: DeadLetter): string {
  if (status === 'open') return 'open'
  const where =
    redriven_partition === null || redriven_offset === null
      ? ''
      : `, now at ${placeOf(redriven_partition, redriven_offset)}`
  const why = resolution === null ? '' : `: ${printableLine(resolution)}`
  return `${status} ${resolved_at} by ${printableLine(resolved_by ?? 'nobody known')}${where}${why}`
}

/** `3:1042` is offset 1042 of partition 3. */
function placeOf(partition: number, offset: number): string {
  return `${partition}:${offset}`
}

function previewText({ text, encoding, bytes, truncated }: Preview): string {
  const readable =
    encoding === 'base64' ? `not UTF-8, in base64: ${text}` : printable(indented(text, truncated))
  return truncated ? `${readable}\n… ${bytes} bytes in all` : readable
}

/** JSON on several lines, anything else as it is. */
function indented(text: string, truncated: boolean): string {
  if (truncated) return text
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

function shortened(line: string): string {
  return line.length > DETAIL_LENGTH ? `${line.slice(0, DETAIL_LENGTH - 1)}…` : line
}
