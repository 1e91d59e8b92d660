import { type Address, ANY, type Reason } from '@oneknock/shared'
import type { Refused } from './outcome.ts'

/** A refusal in plain words, and what to do about it. */
export interface Explanation {
  readonly what: string
  readonly next: string
}

/** The one table of refusals, for the command, the TUI and whoever uses the library. */
export const explain = ({ reason, detail, source }: Refused): Explanation =>
  REFUSALS[reason]({ detail, source })

type Particulars = { readonly detail: string; readonly source: Address }

const REFUSALS: Readonly<Record<Reason, (particulars: Particulars) => Explanation>> = {
  none: () => ({
    what: 'the server refused and gave no reason',
    next: "ask the server's administrator, whose audit trail says more",
  }),
  'wrong-factor': () => ({
    what: 'the code is wrong, or none was given and one is needed',
    next: "wait for the next code and knock again; if it stays wrong, check the phone's clock (several wrong codes lock this device for a while)",
  }),
  'factor-used': () => ({
    what: 'this code was used before',
    next: 'every code works once: wait for the next one, half a minute at most, and knock again',
  }),
  locked: ({ detail }) => ({
    what: `this device or its user is locked${about(detail)}`,
    next: whenLocked(detail),
  }),
  service: ({ detail }) => ({
    what: detail
      ? `you may not open ${detail}, or there is no such service`
      : 'you may open nothing there',
    next: 'check the name against those in your invitation, or ask the administrator for it',
  }),
  address: ({ detail, source }) => ({
    what: `the server does not admit the address asked for${about(detail)}${seenAs(source)}`,
    next:
      source === ANY
        ? 'name the right one with --address'
        : `if ${source} is your own public address, knock again with --address ${source}`,
  }),
  'hook-failed': ({ detail }) => ({
    what: `the code was right, but the server could not open the door${about(detail)}`,
    next: 'tell the administrator, and knock again with the next code',
  }),
  schedule: ({ detail }) => ({
    what: `not at this time${about(detail)}`,
    next: 'ask the administrator for the hours in which you may come',
  }),
  denied: ({ detail }) => ({
    what: `somebody was asked, and said no${about(detail)}`,
    next: 'talk to whoever approves, then knock again',
  }),
  'approval-timeout': ({ detail }) => ({
    what: `nobody approved in time${about(detail)}`,
    next: 'reach whoever approves, then knock again with the next code',
  }),
  'state-unavailable': () => ({
    what: 'the server cannot write its records, and opens nothing that it cannot record',
    next: 'tell the administrator (its disk may be full); knock again later with the next code',
  }),
}

/** Three things lock: wrong codes until a time, the administrator, and an invitation that was kept too long. */
function whenLocked(detail: string): string {
  if (detail.startsWith('until ')) return 'wait until then, or ask the administrator to unlock it'
  if (detail.startsWith('invitation ')) return 'ask the administrator for a new invitation'
  return 'ask the administrator to unlock it, or for a new invitation'
}

const about = (detail: string): string => (detail === '' ? '' : ` (${detail})`)

const seenAs = (source: Address): string =>
  source === ANY ? '' : `; it sees you come from ${source}`
