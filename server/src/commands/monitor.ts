import { setTimeout as wait } from 'node:timers/promises'
import type { ApprovalView, GrantView } from '../administration/views.ts'
import type { TrailEntry } from '../trail.ts'
import { ask, noDaemon } from './ask.ts'
import type { DaemonOptions, RunningStatus } from './daemon.ts'
import { Failure } from './failure.ts'
import { EVENTS_SHOWN, type Monitored, monitorScreen } from './monitor-screen.ts'
import { print, printJson, remark } from './output.ts'
import { openState } from './settings.ts'
import { followTrail, linesOf } from './tail.ts'

/** Milliseconds between two looks: what is seen may be as old as that. */
const LOOK_MS = 1000

/** Another screen, so that what stood there comes back; without a cursor. */
const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'
/** Over what is there, and nothing is left of it: to clear first would flicker. */
const HOME = '\x1b[H'
const REST_OF_LINE = '\x1b[K'
const REST_OF_SCREEN = '\x1b[J'

/** `q`, or the end of input, or ^C, which is no signal to a terminal that hands on every key. */
const ENDS = /[q\x03\x04]/

/** All that goes on, on one screen, until a key or the daemon ends it. */
export async function monitor({ config, json }: DaemonOptions): Promise<number> {
  const state = openState(config)
  if (!json && !process.stdout.isTTY) {
    throw new Failure(
      'monitor is for a terminal; for a program take --json, or audit tail --follow',
    )
  }
  if (!(await look(state))) throw noDaemon(state, 'there is nothing to see; start it')
  const ending = new AbortController()
  const { signal } = ending
  const events: string[] = []
  const hear = (entry: TrailEntry) => {
    events.push(...linesOf(entry))
    events.splice(0, events.length - EVENTS_SHOWN)
  }
  const followed = followTrail(state, EVENTS_SHOWN, hear, signal).finally(() => ending.abort())
  followed.catch(() => {}) // It is told when the terminal is back.
  const restore = json ? () => {} : takeTerminal(() => ending.abort())
  let seen: Omit<Monitored, 'events'> | undefined
  try {
    for (;;) {
      seen = await look(state)
      if (signal.aborted || !seen) break
      if (json) printJson(seen)
      else draw({ ...seen, events })
      await wait(LOOK_MS, undefined, { signal }).catch(() => {})
    }
  } finally {
    ending.abort()
    restore()
  }
  await followed
  if (!(await look(state))) remark('The daemon has stopped.')
  return 0
}

/** `undefined` if no daemon runs. */
async function look(state: string): Promise<Omit<Monitored, 'events'> | undefined> {
  const status = (await ask(state, { command: 'status' })) as RunningStatus | undefined
  const grants = (await ask(state, { command: 'grants' })) as readonly GrantView[] | undefined
  const approvals = (await ask(state, { command: 'approvals' })) as
    | readonly ApprovalView[]
    | undefined
  return status && grants && approvals && { status, grants, approvals }
}

function draw(seen: Monitored): void {
  const { columns, rows } = process.stdout
  const lines = monitorScreen(seen, { columns, rows })
  print(`${HOME}${lines.map(line => `${line}${REST_OF_LINE}`).join('\r\n')}${REST_OF_SCREEN}`)
}

/** Returns how to give it back. */
function takeTerminal(end: () => void): () => void {
  const { stdin } = process
  const onKeys = (keys: Buffer) => ENDS.test(`${keys}`) && end()
  if (stdin.isTTY) stdin.setRawMode(true)
  stdin.on('data', onKeys)
  for (const signal of SIGNALS) process.on(signal, end)
  print(ENTER)
  return () => {
    print(LEAVE)
    stdin.off('data', onKeys)
    if (stdin.isTTY) stdin.setRawMode(false)
    stdin.pause()
    for (const signal of SIGNALS) process.off(signal, end)
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
