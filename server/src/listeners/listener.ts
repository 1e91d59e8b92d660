import type { Claimed } from '../core/claims.ts'
import type { Outcome } from '../core/knocks.ts'
import type { Pending } from '../core/waiting.ts'

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

/** Someone who cannot send our packet. */
export interface CredentialAttempt extends Omit<Claimed, 'source' | 'knockId'> {
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
      /**
       * What a pending knock came to, once it did; never rejects. Only to those who cannot ask again:
       * a packet's owner sends another one.
       */
      readonly settled?: Promise<Outcome>
    }

/** What somebody is asked to say yes to. */
export type Awaiting = Omit<Pending, 'tokenHash'>

/** The way back from a message that asks somebody. The token is all that it takes: it is in no log. */
export interface Approvals {
  /** What this link is about; `undefined` if it is over, answered, or was never sent. Changes nothing. */
  look(token: string): Awaiting | undefined
  /** Answers it, once. What the knock came to; `undefined` as above. Never rejects. */
  decide(token: string, yes: boolean): Promise<Outcome | undefined>
}
