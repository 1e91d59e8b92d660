import type { Network, Reason, Status } from '@oneknock/shared'

/**
 * A way in. It turns its wire format into an `Attempt` and answers the `Verdict` in its own way:
 * UDP with a reply or silence, HTTP with a page, RADIUS with Accept or Reject.
 */
export interface Listener {
  readonly name: string
  start(knock: Judge): Promise<void>
  stop(): Promise<void>
}

/**
 * The gatekeeper, as a listener sees it. Silence comes back at once and costs no promise, since it
 * is the answer to junk; everything else has waited for the ledger and the hooks.
 */
export type Judge = (attempt: Attempt) => Silence | Promise<Verdict>

/** One packet as it came in. The bytes are read before `Judge` returns, and never kept. */
export interface Attempt {
  readonly datagram: Uint8Array
  /** Where it came from, as the socket says it. */
  readonly source: string
}

export interface Silence {
  readonly kind: 'silence'
}

export const SILENCE: Silence = { kind: 'silence' }

export type Verdict =
  | Silence
  | {
      readonly kind: 'answer'
      readonly outcome: Outcome
      /** The sealed reply, 128 bytes. */
      readonly reply: Uint8Array
    }

/** What became of a knock. */
export interface Outcome {
  readonly status: Status
  readonly reason: Reason
  readonly network: Network
  /** Seconds. */
  readonly lifetime: number
  /** 16 hexadecimal digits; zeros if there is none. */
  readonly grant: string
  readonly detail: string
}
