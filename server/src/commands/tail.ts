import { rowCells, rowsOf } from '../audit/rows.ts'
import type { Head } from '../ledger/lines.ts'
import { ledgerFolder } from '../recollect.ts'
import type { TrailEntry } from '../trail.ts'
import { follow, noDaemon } from './ask.ts'
import { type AuditOptions, entries } from './audit.ts'
import { headOnRecord } from './daemon.ts'
import { Failure } from './failure.ts'
import { print, printJson, remark } from './output.ts'
import { openState } from './settings.ts'
import { hanging, terminalColumns } from './table.ts'

export interface TailOptions extends AuditOptions {
  readonly lines: number
  readonly follow?: boolean
}

/** A checkpoint at most for each file, and a daemon that starts often opens many. */
const CHECKPOINTS = 64

/** The last events; with `--follow` those to come, as the daemon records them. */
export async function tail(options: TailOptions): Promise<number> {
  const state = openState(options.config)
  const say = options.json ? printJson : sayLine
  if (!options.follow) {
    for (const entry of await last(state, await headOnRecord(state), options.lines)) say(entry)
    return 0
  }
  const ended = await followTrail(state, options.lines, say)
  if (ended === undefined) throw noDaemon(state, 'there is nothing to follow; leave --follow out')
  remark('The daemon has stopped.')
  return 0
}

/** Says the last events and then those to come, until the daemon ends; `undefined` if none runs. */
export function followTrail(
  state: string,
  lines: number,
  say: (entry: TrailEntry) => void,
  signal?: AbortSignal,
): Promise<unknown> {
  const pieces: TrailEntry[] = []
  let live = (entry: TrailEntry): void => void pieces.push(entry)
  const hear = async (piece: unknown) => {
    const { head, entry } = piece as { head?: Head; entry?: TrailEntry }
    if (entry) live(entry)
    if (!head) return
    // What is recorded from here on is told; what comes before is read.
    for (const before of await pastOf(state, head, lines)) say(before)
    for (const waiting of pieces) say(waiting)
    live = say
  }
  return follow(state, { command: 'follow' }, hear, signal)
}

/** Members of the admin group may follow, though the files are their owner's alone. */
async function pastOf(state: string, head: Head, lines: number): Promise<TrailEntry[]> {
  try {
    return await last(state, head, lines)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    remark(`What came before is not shown: ${error.message}`)
    return []
  }
}

async function last(state: string, head: Head, lines: number): Promise<TrailEntry[]> {
  const found: TrailEntry[] = []
  if (lines === 0) return found
  const fromSeq = head.seq - lines - CHECKPOINTS
  for await (const { seq, at, event } of entries(ledgerFolder(state), { fromSeq })) {
    if (seq <= head.seq) found.push({ at, event })
    if (found.length > lines) found.shift()
  }
  return found
}

/** Of what a narrow terminal has no room for beside its beginning. */
const INDENT = 4

/** A person follows what happens to doors; retransmissions are no news. */
const sayLine = (entry: TrailEntry): void => {
  const columns = terminalColumns()
  for (const line of linesOf(entry)) {
    print(`${line.length <= columns ? line : hanging(line, columns, INDENT)}\n`)
  }
}

export const linesOf = ({ at, event }: TrailEntry): string[] =>
  rowsOf(at, event).map(row =>
    rowCells(row)
      .filter(cell => cell !== '')
      .join('  '),
  )
