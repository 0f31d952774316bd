/** Dead letters for people. What a record holds was written by anybody: nothing of it reaches a terminal unescaped. */
import type { DeadLetter, Preview, ShownDeadLetter } from '@ironsys/dead-letters'

const DETAIL_LENGTH = 60

const header = ['id', 'log time', 'record', 'code', 'status', 'command', 'detail'] as const

/** One line per letter. */
export function deadLetterTable(letters: readonly DeadLetter[]): string {
  const rows = letters.map((letter) => [
    String(letter.id),
    letter.at,
    placeOf(letter.partition, letter.offset),
    letter.code,
    letter.status,
    letter.command_id ?? '-',
    shortened(printable(letter.detail)),
  ])
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [line(header), ...rows.map(line)].join('\n')
}

/** Everything about one letter. */
export function deadLetterText(letter: ShownDeadLetter): string {
  const { chain } = letter
  const fields: readonly (readonly [string, string])[] = [
    ['dead letter', String(letter.id)],
    ['code', letter.code],
    ['detail', printable(letter.detail)],
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
  const why = resolution === null ? '' : `: ${printable(resolution)}`
  return `${status} ${resolved_at} by ${printable(resolved_by ?? 'nobody known')}${where}${why}`
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

/** Control and format characters, but for line ends, become their code points: a record cannot steer a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{C}\n]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

function shortened(text: string): string {
  const line = text.replaceAll('\n', ' ')
  return line.length > DETAIL_LENGTH ? `${line.slice(0, DETAIL_LENGTH - 1)}…` : line
}
