import { ROW_HEADINGS, type Row, Rows, rowCells } from '../audit/rows.ts'
import { ownCommand } from '../config/command.ts'
import { parseDuration } from '../config/duration.ts'
import type { Event } from '../core/events.ts'
import { systemFiles } from '../ledger/files.ts'
import type { LedgerEntry } from '../ledger/ledger.ts'
import type { Head } from '../ledger/lines.ts'
import { readEntries, verifyLedger, type Which } from '../ledger/read.ts'
import { repairLedger } from '../ledger/repair.ts'
import { alone, ledgerFolder, readOnly } from '../recollect.ts'
import { ask } from './ask.ts'
import { headOnRecord } from './daemon.ts'
import { Failure } from './failure.ts'
import { count, print, printJson, remark } from './output.ts'
import { openState } from './settings.ts'
import { printTable } from './table.ts'

export interface AuditOptions {
  readonly config: string
  readonly json?: boolean
}

export interface ShowOptions extends AuditOptions {
  readonly user?: string
  readonly since?: string
}

export interface RepairOptions extends AuditOptions {
  readonly acceptForgetting?: boolean
}

/** Proves the chain through all files that are there, or names the first bad line. */
export async function verify(options: AuditOptions): Promise<number> {
  const folder = ledgerFolder(openState(options.config))
  const verified = await verifyLedger(folder, readOnly)
  if (!verified.ok) {
    if (options.json) printJson({ whole: false, ...verified.error })
    throw new Failure(verified.error.message)
  }
  const { head, files, lines } = verified.value
  if (files === 0)
    throw new Failure(`there is no ledger in ${folder}; the daemon's first start makes it`)
  if (options.json) printJson({ whole: true, files, lines, head })
  else
    print(`${folder} is whole: ${count(lines, 'line')} in ${count(files, 'file')}\n${shown(head)}`)
  return 0
}

/** Where the chain stands: kept elsewhere, it proves later that nobody rewrote what came before. */
export async function head(options: AuditOptions): Promise<number> {
  const state = openState(options.config)
  const { seq, hash } =
    ((await ask(state, { command: 'head' })) as Head | undefined) ?? (await headOnRecord(state))
  if (options.json) printJson({ seq, hash })
  else print(shown({ seq, hash }))
  return 0
}

/** Who opened what, from where, when, until when; and who was refused, and why. */
export async function show(options: ShowOptions): Promise<number> {
  const folder = ledgerFolder(openState(options.config))
  const since = options.since === undefined ? 0 : sinceWhen(options.since)
  const rows = new Rows()
  for await (const { at, event } of entries(folder, { since })) rows.add(at, event)
  const chosen = rows.list().filter(({ user }) => !options.user || user === options.user)
  if (options.json) printRows(chosen)
  else if (chosen.length === 0) remark('Nothing is on record.')
  else printTable(ROW_HEADINGS, chosen.map(rowCells))
  return 0
}

export async function repair(options: RepairOptions): Promise<number> {
  const state = openState(options.config)
  const folder = ledgerFolder(state)
  const { acceptForgetting = false } = options
  const repaired = await alone(state, () =>
    repairLedger({ folder, files: systemFiles, now: Date.now, acceptForgetting }),
  )
  if (!repaired.ok) {
    const { error } = repaired
    if (error.code !== 'not-accepted') throw new Failure(error.message)
    const rerun = `if that is what you want, run: ${ownCommand('audit repair --accept-forgetting')}`
    throw new Failure(error.message, `nothing was changed; restore a backup, or ${rerun}`)
  }
  if (options.json) printJson({ repaired: repaired.value })
  else if (repaired.value.length === 0) print(`${folder} needs no repair.\n`)
  for (const { file, aside, keptBytes, lostBytes } of options.json ? [] : repaired.value) {
    print(`${file}: kept ${keptBytes} bytes, lost ${lostBytes}; as it was it lies in ${aside}\n`)
  }
  return 0
}

const shown = ({ seq, hash }: Head): string => `line ${seq} ${hash}\n`

/** What was recorded, in order; what cannot be trusted ends the command. */
export async function* entries(
  folder: string,
  which: Which,
): AsyncGenerator<LedgerEntry<Event>, void> {
  for await (const entry of readEntries<Event>(folder, readOnly, which)) {
    if (!entry.ok) throw new Failure(entry.error.message)
    yield entry.value
  }
}

/** `24h` ago, or a time with its zone. */
function sinceWhen(text: string): number {
  const duration = parseDuration(text)
  if (duration !== undefined) return Date.now() - duration
  const time = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (!Number.isNaN(time)) return time
  throw new Failure(
    `--since ${JSON.stringify(text)}: write how long ago, such as 24h or 7d, or a time, such as 2026-11-21T23:38Z`,
  )
}

/** One value, but never in one string: years of knocks are longer than a string may be. */
function printRows(rows: readonly Row[]): void {
  print('[')
  for (const [index, row] of rows.entries()) print(`${index > 0 ? ',' : ''}${JSON.stringify(row)}`)
  print(']\n')
}
