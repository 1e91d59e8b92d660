import type { Factor } from '@oneknock/shared'
import type { Outcome } from '../core/knocks.ts'

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

export type Attempt = PacketAttempt | CredentialAttempt

/** One packet as it came in. The bytes are read before `Judge` returns, and never kept. */
export interface PacketAttempt {
  readonly datagram: Uint8Array
  /** Where it came from, as the socket says it. */
  readonly source: string
}

/** Someone who cannot send our packet: no key, so a budget of its own for each user and door. */
export interface CredentialAttempt {
  /** The door's name, `[a-z]+`: it stands in the ledger where a packet's device would. */
  readonly door: string
  readonly user: string
  readonly factor: Factor
  /** What to open; empty = all that the user may; `undefined` = nothing, only look at the factor. */
  readonly services: readonly string[] | undefined
  /** All that this door may open, whatever the user may; absent: no bound of its own. */
  readonly among?: readonly string[] | undefined
  /** Seconds; 0 = the service's default. */
  readonly lifetime: number
  /** The address to admit, which the door vouches for. */
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
      /** The sealed reply, 128 bytes; only to a packet. */
      readonly reply?: Uint8Array
    }
