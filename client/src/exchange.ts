import {
  type DerivedKeys,
  type Knock,
  openReply,
  type Reply,
  type Result,
  sealKnock,
  tagOf,
} from '@oneknock/shared'

/** What stays the same in every packet of one knock over one route. */
export type Ask = Omit<Knock, 'sentAt'>

/** A reply that answers a packet of ours. */
export interface Heard {
  readonly reply: Reply
  /** By the wall clock and by the steady one: when the packet left that this answers. */
  readonly sentAt: number
  readonly sentMonotonic: number
}

interface Packet {
  readonly tag: Uint8Array
  readonly sentAt: number
  readonly sentMonotonic: number
}

/** More than a knock sends before it gives up; a reply to an older poll is old news. */
const PACKETS_KEPT = 16

/** One knock's packets over one route, and the replies that answer them. */
export class Exchange {
  readonly #keys: DerivedKeys
  readonly #ask: Ask
  #packets: Packet[] = []

  constructor(keys: DerivedKeys, ask: Ask) {
    this.#keys = keys
    this.#ask = ask
  }

  /** A packet of its own each time: the server meets a repeated one with silence. */
  seal(nonce: Uint8Array, sentAt: number, sentMonotonic: number): Uint8Array {
    const datagram = expectSealed(sealKnock(this.#keys, nonce, { ...this.#ask, sentAt }))
    this.#packets = [{ tag: tagOf(datagram), sentAt, sentMonotonic }, ...this.#packets].slice(
      0,
      PACKETS_KEPT,
    )
    return datagram
  }

  /** `undefined` for everything but a sound reply to a packet sent here. */
  open(datagram: Uint8Array): Heard | undefined {
    for (const { tag, sentAt, sentMonotonic } of this.#packets) {
      const opened = openReply(this.#keys, tag, datagram)
      if (opened.ok) return { reply: opened.value, sentAt, sentMonotonic }
    }
    return undefined
  }

  /** Replies to what was sent so far count no longer. */
  forget(): void {
    this.#packets = []
  }
}

/** `knockWith` has tried each ask before its exchange is made. */
function expectSealed(sealed: Result<Uint8Array, { readonly field: string }>): Uint8Array {
  if (!sealed.ok) throw new TypeError(`no packet can hold this knock: ${sealed.error.field}`)
  return sealed.value
}
