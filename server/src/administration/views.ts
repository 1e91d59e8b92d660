import { type FactorKind, formatNetwork, type Reason, type Status } from '@oneknock/shared'
import { isDoor } from '../core/doors.ts'
import type { Grant } from '../core/grants.ts'
import type { Pending } from '../core/waiting.ts'
import type { Remains } from '../doors.ts'
import { answererOf } from '../trail.ts'

/** What an administrator sees, in a table or as JSON. Nothing here is a secret. */

export interface GrantView {
  readonly grant: string
  readonly user: string
  readonly device: string
  readonly services: readonly string[]
  readonly addresses: readonly string[]
  readonly until: string
  /**
   * Of a door without keys, the kind of code that was shown; `none` where it took a password that others
   * know. Absent for a device's packet: its key was the first factor.
   */
  readonly factor?: FactorKind
  /** `closing`: it has ended, and a hook could not close its doors yet. */
  readonly state: 'open' | 'closing'
}

export const grantView = (grant: Grant, state: GrantView['state']): GrantView => ({
  grant: grant.id,
  user: grant.user,
  device: labelOf(grant.device),
  services: grant.services,
  addresses: grant.networks.map(formatNetwork),
  until: isoTime(grant.until),
  ...(isDoor(grant.device) && { factor: factorOf(grant) }),
  state,
})

function factorOf({ factor }: Grant): FactorKind {
  if (!factor) return 'none'
  // A token's, whose key a validation server knows.
  return factor.kind === 'validated' ? 'yubikey' : factor.kind
}

/** Somebody who waits for a yes. */
export interface ApprovalView {
  readonly id: string
  readonly user: string
  readonly device: string
  /** Empty if nothing is to be opened: a login. */
  readonly services: readonly string[]
  readonly address: string
  /** Who is asked, and how. */
  readonly asked: string
  readonly since: string
  readonly until: string
}

export const approvalView = (pending: Pending): ApprovalView => ({
  id: pending.id,
  user: pending.user,
  device: labelOf(pending.device),
  services: pending.services,
  address: formatNetwork(pending.network),
  asked: answererOf({ user: pending.approver, channel: pending.channel }),
  since: isoTime(pending.since),
  until: isoTime(pending.until),
})

/** What came of an administrator's answer. */
export interface AnswerView {
  readonly answered: string
  readonly result: Status
  readonly why?: Reason
  readonly detail?: string
}

/** What came of closing a grant. */
export interface ClosedView {
  readonly closed: string
  /** `closing`: a hook could not, and is asked again. */
  readonly doors: 'closed' | 'closing'
  /** What another grant keeps open, with the connections through it. */
  readonly still_open: readonly StillOpenView[]
  /** The services whose connections go on, since nothing here can end them. */
  readonly uncut: readonly string[]
}

interface StillOpenView {
  readonly service: string
  readonly address: string
  readonly until: string
}

export const closedView = (
  closed: string,
  isClosing: boolean,
  { open, uncut }: Remains,
): ClosedView => ({
  closed,
  doors: isClosing ? 'closing' : 'closed',
  still_open: open.map(({ service, network, until }) => ({
    service,
    address: formatNetwork(network),
    until: isoTime(until),
  })),
  uncut,
})

export interface LockView {
  /** `user/device`, or a user who has reached the daily ceiling. */
  readonly who: string
  readonly until: string
}

export const lockView = ({ id, until }: { id: string; until: number }): LockView => ({
  who: id,
  until: isoTime(until),
})

export interface GuardView {
  /** `let go`: a trial ran out, and nothing is guarded. */
  readonly guard: 'none' | 'for good' | 'while the daemon lives' | 'on trial' | 'let go'
  readonly until?: string
  /** With `while the daemon lives`: seconds after its death until the guard lets go. */
  readonly if_dead_s?: number
}

/** A way in for those who have no packet. */
export interface DoorView {
  readonly door: string
  readonly listen: readonly string[]
  /** What is around what it is told, such as `TLS`. */
  readonly over: string
  /** Those there are now, where there is such a thing. */
  readonly connections?: number
  /** Since the start. */
  readonly counts: Readonly<Record<string, number>>
}

/** To the second, as people read it. */
export const isoTime = (ms: number): string =>
  `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`

/** `laptop` of `alice/laptop`. */
export const labelOf = (device: string): string => device.slice(device.indexOf('/') + 1)
