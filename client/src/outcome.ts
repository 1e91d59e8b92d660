import type { Address, Family, MalformedField, Network, Reason, Status } from '@oneknock/shared'

/** What became of a knock. `status` is stable: programs may rely on it. */
export type KnockResult =
  | Opened
  | Closed
  | Pending
  | Refused
  | NoReply
  | Unreachable
  | Unresolved
  | Aborted
  | Invalid

/** What every answer of the server tells. */
interface Answered {
  /** The server's own words, printable ASCII: the services, or which one was refused. */
  readonly detail: string
  /** Milliseconds that the server's clock is ahead of this machine's, half the way there and back off. */
  readonly clockOffsetMs: number
}

export interface Opened extends Answered {
  readonly status: 'opened'
  /** What may connect now: one address or prefix, or one of each family. */
  readonly admitted: readonly Network[]
  /** Seconds granted. */
  readonly lifetime: number
  /** When it ends by this machine's clock, milliseconds since the Unix epoch. */
  readonly until: number
  /** 16 hexadecimal digits: the grant's name in the server's ledger. */
  readonly grant: string
}

export interface Closed extends Answered {
  readonly status: 'closed'
  /** Whom it was open for; where the packet came from, if nothing was. */
  readonly address?: Address
}

/** Somebody must say yes on another channel, and has not yet. */
export interface Pending extends Answered {
  readonly status: 'pending'
}

export interface Refused extends Answered {
  readonly status: 'refused'
  readonly reason: Reason
  /** Where the server saw the packet come from; `::` if it does not say. */
  readonly source: Address
}

/** Nothing came back over UDP, nor by the server's HTTP door where there is one. */
interface Unanswered {
  /** What the way over HTTP came to: the system's word for it, `HTTP 502`, or `no reply`. */
  readonly http?: string
}

/** Silence: a clock that is off, a filter on the way, a wrong address, an unknown device. */
export interface NoReply extends Unanswered {
  readonly status: 'no-reply'
  readonly servers: readonly Address[]
  /** The host answered that nothing listens on that port: the daemon is down. */
  readonly portClosed: boolean
}

/** No packet could leave this machine for the server. */
export interface Unreachable extends Unanswered {
  readonly status: 'unreachable'
  readonly servers: readonly Address[]
  /** The system's word for it, such as `ENETUNREACH`. */
  readonly cause: string
}

export interface Unresolved extends Unanswered {
  readonly status: 'unresolved'
  readonly host: string
  /** The resolver's word for it, such as `ENOTFOUND`. */
  readonly cause: string
}

/** The caller's signal. The server may still have opened. */
export interface Aborted {
  readonly status: 'aborted'
}

/** No packet can hold what was asked; nothing was sent. */
export interface Invalid {
  readonly status: 'invalid'
  readonly field: MalformedField | 'key' | 'port'
}

/** What happens on the way, for those who watch. */
export type KnockEvent =
  | { readonly type: 'resolving'; readonly host: string }
  /** Nothing came back over UDP: the same knock goes through the server's HTTP door. */
  | { readonly type: 'falling-back'; readonly url: string }
  | {
      /** A way to the server in one family, and which address its packets name. */
      readonly type: 'route'
      readonly family: Family
      readonly server: Address
      readonly named: Network
      /** This machine's address towards the server, unless it means something on this link only. */
      readonly own?: Address
    }
  | {
      readonly type: 'trouble'
      readonly family: Family
      readonly server: Address
      readonly cause: string
    }
  | { readonly type: 'sent'; readonly family: Family; readonly attempt: number }
  | {
      readonly type: 'reply'
      readonly family: Family
      readonly status: Status
      readonly reason: Reason
      readonly detail: string
    }
  | { readonly type: 'clock'; readonly offsetMs: number }
