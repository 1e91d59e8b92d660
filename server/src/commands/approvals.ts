import type { AnswerView, ApprovalView } from '../administration/views.ts'
import { askPatiently, noDaemon } from './ask.ts'
import { type DaemonOptions, list, waitingIn } from './daemon.ts'
import { Failure } from './failure.ts'
import { print, printJson } from './output.ts'
import { openState } from './settings.ts'

/** Who waits for somebody's yes. */
export async function approvals(options: DaemonOptions): Promise<number> {
  return list<ApprovalView>('approvals', options, {
    recorded: waitingIn,
    nobody: 'Nobody waits.',
    headings: APPROVAL_HEADINGS,
    row: approvalRow,
  })
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

export const APPROVAL_HEADINGS = [
  'ID',
  'USER',
  'DEVICE',
  'SERVICES',
  'ADDRESS',
  'ASKED',
  'SINCE',
  'UNTIL',
]

export const approvalRow = (view: ApprovalView) => {
  const { id, user, device, services, address, asked, since, until } = view
  return [id, user, device, services.join(', '), address, asked, since, until]
}
