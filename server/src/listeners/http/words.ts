import { formatNetwork, type Reason } from '@oneknock/shared'
import { formatDuration } from '../../config/duration.ts'
import type { Outcome } from '../../core/knocks.ts'

/** What a try came to, in words: the same for a page, for curl and for nc. */
export interface Told {
  /** Of HTTP. */
  readonly status: number
  readonly title: string
  /** What there is to know or to do, in a sentence. */
  readonly text: string
  /** What opened, where something did. */
  readonly facts: readonly (readonly [name: string, value: string])[]
}

const refusal = (text: string, status = 403): Told => ({
  status,
  title: 'Not open',
  text,
  facts: [],
})

export const BUSY: Told = refusal('Too many tries from where you are. Wait a minute.', 429)
export const CLOSED: Told = refusal('It cannot be opened just now. Try again later.', 503)
export const UNSAID: Told = refusal(
  'The proxy in between does not say where you are. Tell the administrator.',
  400,
)
export const UNNAMED_PROXY: Told = refusal(
  'This came through a proxy that the configuration does not name. Tell the administrator: trusted_proxies.',
  400,
)
export const ELSEWHERE: Told = refusal(
  'A page of another site has asked for that. Type the code here yourself.',
)
export const NO_CODE: Told = refusal(
  'That is no code: six digits, a touch, or a recovery code.',
  400,
)

/** The same whether there is no such user, the code is wrong, or the door is locked for them. */
const WRONG = 'The name or the code is wrong, or there were too many tries. Take the next code.'

const REFUSED: Readonly<Record<Reason, (detail: string) => Told>> = {
  none: () => refusal(WRONG),
  'wrong-factor': () => refusal(WRONG),
  locked: () => refusal(WRONG),
  'factor-used': () => refusal('That code has been used. Take the next one.'),
  service: detail => refusal(`You may not open ${detail || 'anything'} here.`),
  address: detail => refusal(`${detail || 'Nothing'} can be opened for where you are.`),
  'hook-failed': () => refusal('It could not be opened. Tell the administrator.', 503),
  schedule: detail => refusal(`${detail || 'Nothing'} can be opened at this time.`),
  denied: () => refusal('Somebody was asked, and said no.'),
  'approval-timeout': () => refusal('Somebody was asked, and did not answer in time.'),
  'state-unavailable': () => CLOSED,
}

export function tell(outcome: Outcome, nowMs: number): Told {
  const { status, reason, detail, lifetime, network } = outcome
  switch (status) {
    case 'refused':
      return REFUSED[reason](detail)
    case 'closed':
      return refusal('It was opened, and has been closed again.')
    case 'pending':
      return {
        status: 202,
        title: 'Waiting',
        text: 'Somebody is being asked on another channel, and has not said yes yet.',
        facts: [],
      }
    case 'opened':
      return {
        status: 200,
        title: 'Open',
        text: '',
        facts: [
          ['What', detail],
          ['For', formatNetwork(network)],
          ['Until', `${clockTime(nowMs + lifetime * 1000)} (${formatDuration(lifetime * 1000)})`],
        ],
      }
  }
}

/** `open: wiki for 203.0.113.7 until 2026-11-28 12:00:30 UTC (30s)` */
export function inOneLine({ title, text, facts }: Told): string {
  if (facts.length === 0) return `${title.toLowerCase()}: ${text}`
  const [what, ...rest] = facts
  return `${title.toLowerCase()}: ${[what![1], ...rest.map(([name, value]) => `${name.toLowerCase()} ${value}`)].join(' ')}`
}

/** The reader's zone is unknown. */
export const clockTime = (ms: number): string =>
  `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`
