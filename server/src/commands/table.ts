import { formatTable, print } from './output.ts'

/** Rows under headings; on a terminal that is too narrow for them, each row for itself. */
export const printTable = (headings: readonly string[], rows: readonly Row[]): void =>
  print(layTable(headings, rows, terminalColumns()))

/** What something is, and its value beside it. */
export const printFacts = (facts: readonly Row[]): void => print(layFacts(facts, terminalColumns()))

type Row = readonly string[]

/** A file or a pipe has no width: there each row is one line, for grep. */
export const terminalColumns = (): number => process.stdout.columns || Number.POSITIVE_INFINITY

export function layTable(
  headings: readonly string[],
  rows: readonly Row[],
  columns: number,
): string {
  const table = formatTable([headings, ...rows])
  // Of years there are more lines than a call may have arguments.
  if (table.split('\n').every(line => line.length <= columns)) return table
  const factsOf = (row: Row) => row.map((cell, at) => [headings[at]!, cell])
  return rows
    .map(row => factsOf(row).filter(([, cell]) => cell !== ''))
    .map(facts => layFacts(facts, columns))
    .join('\n')
}

export function layFacts(facts: readonly Row[], columns: number): string {
  const labels = Math.max(0, ...facts.map(([label]) => label!.length)) + GAP
  return formatTable(
    facts.flatMap(([label, value]) =>
      broken(value!, columns - labels).map((line, at) => [at === 0 ? label! : '', line]),
    ),
  )
}

/** Between two columns. */
const GAP = 2

/** Lines of this width at most, broken between words; a longer word has a line of its own. */
export function broken(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines.map(line => line.trim())
}

/** The same in one text, whose other lines stand that far from the edge. */
export const hanging = (text: string, columns: number, indent: number): string =>
  broken(text, columns - indent).join(`\n${' '.repeat(indent)}`)
