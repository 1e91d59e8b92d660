import type { AnswerView, ApprovalView } from '../administration/views.ts'
import { ask, askPatiently, noDaemon } from './ask.ts'
import { type DaemonOptions, recall, waitingIn } from './daemon.ts'
import { Failure } from './failure.ts'
import { formatTable, print, printJson, remark } from './output.ts'
import { openState } from './settings.ts'

/** Who waits for somebody's yes. */
export async function approvals(options: DaemonOptions): Promise<number> {
  const state = openState(options.config)
  const answer = (await ask(state, { command: 'approvals' })) as ApprovalView[] | undefined
  const listed = answer ?? waitingIn((await recall(state)).state)
  if (!answer) remark(`No daemon runs on ${state}: this is what its ledger says.`)
  if (options.json) printJson(listed)
  else if (listed.length === 0) remark('Nobody waits.')
  else print(formatTable([HEADINGS, ...listed.map(row)]))
  return 0
}

/** Answers in place of whoever was asked. */
export async function answer(id: string, yes: boolean, options: DaemonOptions): Promise<number> {
  const state = openState(options.config)
  const said = await askPatiently(state, { command: 'answer', id, yes })
  if (said === undefined) {
    throw noDaemon(state, 'start it, and what waits and has time left can be answered')
  }
  const { result, why = '', detail = '' } = said as AnswerView
  if (options.json) printJson(said)
  else if (!yes) print(`${id} is denied.\n`)
  else if (result === 'opened') print(`${id} is approved, and open.\n`)
  if (yes && result !== 'opened') {
    throw new Failure(`${id} is approved, but not open: ${why}${detail && ` (${detail})`}`)
  }
  return 0
}

const HEADINGS = ['ID', 'USER', 'DEVICE', 'SERVICES', 'ADDRESS', 'ASKED', 'SINCE', 'UNTIL']

const row = ({ id, user, device, services, address, asked, since, until }: ApprovalView) => [
  ...[id, user, device, services.join(', '), address, asked, since, until],
]
