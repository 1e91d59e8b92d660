import { formatNetwork, type Reason } from '@oneknock/shared'
import { formatDuration } from '../../config/duration.ts'
import type { Clock } from '../../core/clock.ts'
import type { Outcome } from '../../core/knocks.ts'
import { APPROVE_PATH, whatIsAsked } from '../../delivery/question.ts'
import type { Approvals, Awaiting } from '../listener.ts'
import { html, line, page } from './page.ts'
import { formOf, type Route, type WebAnswer, type WebRequest, wantsPage } from './route.ts'
import { clockTime } from './words.ts'

export interface ApprovalParts {
  readonly approvals: Approvals
  readonly clock: Clock
}

/**
 * The page behind the link that asks somebody. To look at it changes nothing: mail programs, chats and
 * virus scanners follow links by themselves. The link is all that it takes, and stands in no log.
 */
export const approvalRoute =
  ({ approvals, clock }: ApprovalParts): Route =>
  request => {
    const { method, path } = request
    if (!path.startsWith(APPROVE_PATH)) return undefined
    const token = path.slice(APPROVE_PATH.length)
    if (method === 'GET' || method === 'HEAD') return show(request, approvals.look(token), clock)
    if (method !== 'POST') return undefined
    const answer = formOf(request).get('answer')
    if (answer === 'yes' || answer === 'no') {
      return decide(request, approvals, token, answer === 'yes')
    }
    return show(request, approvals.look(token), clock, 400)
  }

/** The same for what was answered, ran out, was altered, guessed, or never there. */
const OVER = 'It was answered already, its time is up, or the link is not whole.'

function show(
  request: WebRequest,
  awaiting: Awaiting | undefined,
  clock: Clock,
  status = 200,
): WebAnswer {
  if (!awaiting) return say(request, 404, 'Nothing to answer here', OVER)
  const { device, network, source, since, until } = awaiting
  const from = formatNetwork(network)
  const left = Math.max(1000, Math.ceil((until - clock.now()) / 1000) * 1000)
  const facts = [
    ['Who', device],
    ['What', whatIsAsked(awaiting)],
    ['From', from === source ? from : `${from}, asked for from ${source}`],
    ['Since', clockTime(since)],
    ['Answer within', formatDuration(left)],
  ] as const
  if (!wantsPage(request)) {
    return line(status, facts.map(([name, value]) => `${name}: ${value}`).join('\n'))
  }
  const listed = facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)
  const body = html`<dl>${listed}</dl>
<form method="post">
<button name="answer" value="yes">Approve</button>
<button name="answer" value="no" class="no">Deny</button>
</form>`
  return page({ status, title: `Let ${awaiting.user} in?`, body })
}

async function decide(
  request: WebRequest,
  approvals: Approvals,
  token: string,
  yes: boolean,
): Promise<WebAnswer> {
  const outcome = await approvals.decide(token, yes)
  if (!outcome) return say(request, 404, 'Nothing to answer here', OVER)
  const { status, title, text } = told(outcome)
  const answer = say(request, status, title, text)
  // Push services press the button from a page of their own, which may see what came of it: who can
  // read the answer had the link.
  return { ...answer, headers: { ...answer.headers, 'access-control-allow-origin': '*' } }
}

function told({ status, reason, detail, network, lifetime }: Outcome) {
  if (status === 'refused' && reason === 'denied') {
    return { status: 200, title: 'Denied', text: 'Nothing was opened.' }
  }
  if (status !== 'opened') {
    const text = WHY_NOT[reason] ?? 'It has been closed again.'
    return { status: 409, title: 'Approved, but not open', text }
  }
  const text = detail
    ? `${detail} is open for ${formatNetwork(network)}, for ${formatDuration(lifetime * 1000)}.`
    : 'They are let in.'
  return { status: 200, title: 'Approved', text }
}

const WHY_NOT: Partial<Record<Reason, string>> = {
  locked: 'Whoever asked is locked or gone by now.',
  service: 'Whoever asked may not open it any more.',
  address: 'Their address is not admitted any more.',
  schedule: 'Its hours are over.',
  'hook-failed': 'The server could not open it, and its log says why.',
  'approval-timeout': 'Somebody else is to be asked by now.',
  'state-unavailable':
    'The server cannot write its records, and opens nothing that it cannot record.',
}

const say = (request: WebRequest, status: number, title: string, text: string): WebAnswer =>
  wantsPage(request)
    ? page({ status, title, body: html`<p role="status">${text}</p>` })
    : line(status, `${title}: ${text}`)
