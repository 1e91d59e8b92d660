import type { Contact, SecretSource } from '../core/directory.ts'

/** What is told to a person. The title may be shown on a locked screen: no secret belongs there. */
export interface Message {
  readonly title: string
  readonly text: string
  /** What they can do about it. */
  readonly actions?: readonly Action[]
}

export interface Action {
  readonly label: string
  /** A page to open, which asks once more: mail programs follow links by themselves. */
  readonly url: string
  /**
   * A form's fields, to be posted there by a button that needs no page. Channels that have only links
   * leave such an action out.
   */
  readonly post?: string
}

export interface Recipient {
  readonly user: string
  readonly contact: Contact | undefined
}

/** One attempt to bring a message to somebody. */
export interface Letter {
  readonly to: Recipient
  readonly message: Message
  /** The same in every attempt, so that a receiver can tell a repetition. */
  readonly id: string
  /** Milliseconds that this attempt may take. */
  readonly timeLimit: number
}

/** A way to people. Rejects with a `DeliveryError`. */
export interface Channel {
  send(letter: Letter): Promise<void>
}

export interface ChannelParts {
  readonly readSecret: (source: SecretSource) => string
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number
}

export type DeliveryErrorCode =
  | 'unknown-channel'
  | 'no-contact'
  | 'secret'
  | 'unreachable'
  | 'refused'

/** Why a message did not arrive. The line holds nothing of the message and no secret. */
export class DeliveryError extends Error {
  readonly code: DeliveryErrorCode
  /** Whether the same may succeed a little later. */
  readonly passing: boolean

  constructor(code: DeliveryErrorCode, message: string, passing = false) {
    super(message)
    this.name = 'DeliveryError'
    this.code = code
    this.passing = passing
  }
}
