/** Stored text was written by anybody: nothing of it reaches a terminal unescaped. */

/** Control and format characters, but for line ends, become their code points: a record cannot steer a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{C}\n]/gu, escaped)
}

/** As {@link printable}, and line ends too: for text within a line, where the rest of a name could pose as a line of ours. */
export function printableLine(text: string): string {
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, escaped)
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`
}
