import { type ApprovalView, type GrantView, isoTime } from '../administration/views.ts'
import { APPROVAL_HEADINGS, approvalRow } from './approvals.ts'
import { doorRow, GRANT_HEADINGS, grantRow, guardRow, type RunningStatus } from './daemon.ts'
import { count, formatTable } from './output.ts'

/** What has happened lately, as far back as the largest screens reach. */
export const EVENTS_SHOWN = 100
/** For each of what there may be very many of: the others are to be seen as well. */
const SHARE = 1 / 4
const HINT = 'q ends this'

export interface Monitored {
  readonly status: RunningStatus
  readonly grants: readonly GrantView[]
  readonly approvals: readonly ApprovalView[]
  /** The newest last. */
  readonly events: readonly string[]
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

/** As many lines as the screen has, none wider than it. */
export function monitorScreen(
  { status, grants, approvals, events }: Monitored,
  { columns, rows }: Size,
): string[] {
  const most = Math.max(2, Math.floor(rows * SHARE))
  const above = [
    ...summary(status, most),
    '',
    ...(grants.length > 0
      ? few(tableOf([GRANT_HEADINGS, ...grants.map(grantRow)]), most)
      : ['Nobody is in.']),
    '',
    ...(approvals.length > 0
      ? [...few(tableOf([APPROVAL_HEADINGS, ...approvals.map(approvalRow)]), most), '']
      : []),
  ].slice(0, rows - 1)
  const room = rows - 1 - above.length
  const lately = room > 0 ? events.slice(-room) : []
  const empty = new Array<string>(room - lately.length).fill('')
  return [...above, ...lately, ...empty, HINT].map(line => fitting(line, columns))
}

function summary(status: RunningStatus, most: number): string[] {
  const { pid, up_s, guard, ledger, users, devices, closing, packets, locked } = status
  const since = isoTime(Date.now() - up_s * 1000)
  const counts = Object.entries(packets).filter(([, number]) => number > 0)
  return [
    `process ${pid} since ${since}; guard ${guardRow(guard)}; ledger line ${ledger.seq}`,
    `${count(users, 'user')}, ${count(devices, 'device')}; doors still closing: ${closing}`,
    `packets: ${counts.map(([what, number]) => `${number} ${what}`).join(', ') || 'none'}`,
    ...status.doors.map(door => doorRow(door).join(': ')),
    ...few(
      locked.map(({ who, until }) => `locked out: ${who} until ${until}`),
      most,
    ),
  ]
}

const tableOf = (rows: readonly (readonly string[])[]): string[] =>
  formatTable(rows).trimEnd().split('\n')

function few(lines: readonly string[], most: number): readonly string[] {
  if (lines.length <= most) return lines
  const shown = lines.slice(0, most - 1)
  return [...shown, `and ${lines.length - shown.length} more`]
}

const fitting = (line: string, columns: number): string =>
  line.length <= columns ? line : `${line.slice(0, columns - 1)}…`
