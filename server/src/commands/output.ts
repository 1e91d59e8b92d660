/** Results go to standard output, and nothing else does: programs read it. */
export const print = (text: string): void => void process.stdout.write(text)

/** One JSON value on one line. */
export const printJson = (value: unknown): void => print(`${JSON.stringify(value)}\n`)

/** What a person should know and a program need not. */
export const remark = (line: string): void => void process.stderr.write(`${line}\n`)

/** https://no-color.org: set and not empty. */
export const colourAllowed = (): boolean => !process.env.NO_COLOR && process.env.TERM !== 'dumb'

/** Columns as wide as their widest cell, two spaces apart. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (widest, row) => row.map((cell, column) => Math.max(cell.length, widest[column] ?? 0)),
    [],
  )
  return rows
    .map(row => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  '))
    .map(line => `${line.trimEnd()}\n`)
    .join('')
}

/** `1 user`, `2 users`. */
export const count = (number: number, noun: string): string =>
  `${number} ${noun}${number === 1 ? '' : 's'}`
