import {
  type ApprovalView,
  approvalView,
  type ClosedView,
  type DoorView,
  type GrantView,
  type GuardView,
  grantView,
  isoTime,
  type LockView,
  lockView,
} from '../administration/views.ts'
import { formatDuration } from '../config/duration.ts'
import type { State } from '../core/state.ts'
import type { Head } from '../ledger/lines.ts'
import { recollect } from '../recollect.ts'
import { ask, askPatiently, noDaemon } from './ask.ts'
import { Failure } from './failure.ts'
import { count, print, printJson, remark } from './output.ts'
import { openState } from './settings.ts'
import { printFacts, printTable } from './table.ts'

export interface DaemonOptions {
  readonly config: string
  readonly json?: boolean
}

interface Status {
  readonly running: boolean
  readonly grants: number
  /** Knocks that wait for somebody's yes. */
  readonly waiting: number
  readonly locked: readonly LockView[]
  readonly ledger: Head
}

export interface RunningStatus extends Status {
  readonly pid: number
  readonly up_s: number
  readonly users: number
  readonly devices: number
  readonly closing: number
  readonly guard: GuardView
  readonly rss_bytes: number
  readonly packets: Readonly<Record<string, number>>
  readonly doors: readonly DoorView[]
}

/** How the daemon is; without one, what its ledger says, and status 1. */
export async function status(options: DaemonOptions): Promise<number> {
  const state = openState(options.config)
  const answer = (await ask(state, { command: 'status' })) as RunningStatus | undefined
  const said = answer ?? (await statusOnRecord(state))
  if (options.json) printJson(said)
  else printFacts(answer ? running(answer) : rows(said))
  return answer ? 0 : 1
}

/** Who is in. */
export async function grants(options: DaemonOptions): Promise<number> {
  return list<GrantView>('grants', options, {
    recorded: grantsIn,
    nobody: 'Nobody is in.',
    headings: GRANT_HEADINGS,
    row: grantRow,
  })
}

interface Listing<View> {
  readonly recorded: (state: State) => readonly View[]
  readonly nobody: string
  readonly headings: readonly string[]
  readonly row: (view: View) => readonly string[]
}

/** What the daemon answers to this command; without one, what its ledger says. */
export async function list<View>(
  command: 'grants' | 'approvals',
  { config, json }: DaemonOptions,
  { recorded, nobody, headings, row }: Listing<View>,
): Promise<number> {
  const state = openState(config)
  const answer = (await ask(state, { command })) as readonly View[] | undefined
  const listed = answer ?? recorded((await recall(state)).state)
  if (!answer) remark(`No daemon runs on ${state}: this is what its ledger says.`)
  if (json) printJson(listed)
  else if (listed.length === 0) remark(nobody)
  else printTable(headings, listed.map(row))
  return 0
}

export async function close(grant: string, options: DaemonOptions): Promise<number> {
  const state = openState(options.config)
  const answer = await askPatiently(state, { command: 'close', grant })
  if (answer === undefined) {
    throw noDaemon(state, 'a door is closed by whoever holds it: start the daemon, then close it')
  }
  const view = answer as ClosedView
  if (options.json) printJson(answer)
  else if (view.doors === 'closed') print(closedWords(view))
  if (view.doors === 'closing') {
    throw new Failure(
      `${grant} has ended, but a hook failed to close its doors and is asked again; see the log`,
    )
  }
  return 0
}

/** Which connections are cut, and which are not. */
export function closedWords({ closed, still_open, uncut }: ClosedView): string {
  const stays = still_open.map(
    ({ service, address, until }) =>
      `${service} stays open for ${address} until ${until}, with its connections: another grant needs it.`,
  )
  const goesOn = `Connections to ${uncut.join(', ')} go on: nothing here can cut them.`
  if (stays.length + uncut.length === 0)
    return `${closed} is closed, and its connections are cut.\n`
  return lines(`${closed} has ended.`, ...stays, ...(uncut.length > 0 ? [goesOn] : []))
}

const lines = (...texts: readonly string[]): string => texts.map(text => `${text}\n`).join('')

export async function reload(options: DaemonOptions): Promise<number> {
  const state = openState(options.config)
  const answer = await askPatiently(state, { command: 'reload' })
  if (answer === undefined) throw noDaemon(state, 'it reads its configuration when it starts')
  if (options.json) printJson({ reloaded: true })
  else print('The running daemon has taken up the configuration and the users.\n')
  return 0
}

/** The window counts for what is let in, and nothing is let in here. */
const ANY_FRESHNESS = 0

/** Where the ledger stands, read from its newest file. */
export async function headOnRecord(state: string): Promise<Head> {
  return (await recall(state)).head
}

async function recall(state: string) {
  const recalled = await recollect(state, ANY_FRESHNESS)
  if (!recalled.ok) throw new Failure(recalled.error.message)
  return recalled.value
}

function grantsIn({ grants }: State): GrantView[] {
  const over = new Set(grants.expired().map(({ id }) => id))
  const living = grants.list().filter(({ id }) => !over.has(id))
  return living.map(grant => grantView(grant, 'open'))
}

/** What a daemon that starts now would have asked, and not given up yet. */
export function waitingIn({ waiting }: State): ApprovalView[] {
  const over = new Set(waiting.expired().map(({ id }) => id))
  return waiting
    .list()
    .filter(({ id }) => !over.has(id))
    .map(approvalView)
}

async function statusOnRecord(folder: string): Promise<Status> {
  const { state, head } = await recall(folder)
  return {
    running: false,
    grants: grantsIn(state).length,
    waiting: waitingIn(state).length,
    locked: state.lockout.list(Date.now()).map(lockView),
    ledger: head,
  }
}

/** Enough to see that two are the same; all of it, as proof, is what `audit head` is for. */
const HASH_SHOWN = 16

const rows = ({ running, grants, waiting, locked, ledger }: Status): string[][] => [
  ['running', running ? 'yes' : 'no'],
  ['grants', `${grants}`],
  ...(waiting > 0 ? [['waiting for a yes', `${waiting}`]] : []),
  ...locked.map(({ who, until }) => ['locked out', `${who} until ${until}`]),
  ['ledger', `line ${ledger.seq}, hash ${ledger.hash.slice(0, HASH_SHOWN)}…`],
]

export function guardRow({ guard, until, if_dead_s }: GuardView): string {
  if (if_dead_s !== undefined) return `${guard}, and ${formatDuration(if_dead_s * 1000)} longer`
  return [guard, until].filter(Boolean).join(' until ')
}

function running(status: RunningStatus): string[][] {
  const packets = Object.entries(status.packets).filter(([, number]) => number > 0)
  const people = `${count(status.users, 'user')}, ${count(status.devices, 'device')}`
  return [
    ...rows(status),
    ['doors still closing', `${status.closing}`],
    ['guard', guardRow(status.guard)],
    ['process', `${status.pid}, since ${isoTime(Date.now() - status.up_s * 1000)}`],
    ['people', people],
    ...status.doors.map(doorRow),
    ['memory', `${Math.round(status.rss_bytes / 1024 / 1024)} MiB`],
    ...packets.map(([outcome, number]) => [`packets: ${outcome}`, `${number}`]),
  ]
}

export function doorRow({ door, listen, over, connections, counts }: DoorView): string[] {
  const numbers = Object.entries(counts).map(([what, number]) => `${number} ${what}`)
  const at = `${listen.join(', ')} (${over})`
  const now = connections === undefined ? at : `${at}, ${count(connections, 'connection')} now`
  return [`door ${door}`, [now, ...numbers].join('; ')]
}

export const GRANT_HEADINGS = ['GRANT', 'USER', 'DEVICE', 'SERVICES', 'ADDRESSES', 'UNTIL', '']

export const grantRow = (view: GrantView): string[] => {
  const { grant, user, device, services, addresses, until } = view
  return [grant, user, device, services.join(', '), addresses.join(', '), until, remarksOn(view)]
}

const remarksOn = ({ state, factor }: GrantView): string =>
  [...(state === 'closing' ? ['closing'] : []), ...(factor === 'none' ? ['no code'] : [])].join(
    ', ',
  )
