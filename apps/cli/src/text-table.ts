export interface TextTableOptions {
  /** Which side of a column its cells keep to. */
  readonly align: 'left' | 'right'
}

/** Rows as lines whose columns are as wide as their widest cell. The first row is the header; no line ends in spaces. */
export function textTable(rows: readonly (readonly string[])[], options: TextTableOptions): string {
  const columns = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, column) =>
    rows.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0),
  )
  const padded = (cell: string, column: number) => {
    const width = widths[column] ?? 0
    return options.align === 'left' ? cell.padEnd(width) : cell.padStart(width)
  }
  return rows.map((row) => row.map(padded).join('  ').trimEnd()).join('\n')
}
