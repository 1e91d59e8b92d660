/** How long an answer is kept: longer than clients go on asking (RFC 5080 section 2.2.2). */
const KEPT_MS = 30_000
/** Requests of one client that are remembered; one more, and the oldest answer is forgotten. */
const RECENT_MAX = 4_096
/**
 * Requests of one client that are being judged at a time: each may hold timers and a ledger line. Nobody
 * takes a place who does not know the client's secret, unless the client need not sign
 * (`message_authenticator = "optional"`): then whoever can send in its name does.
 */
export const WAITING_MAX = 256
/**
 * Rejects of one client that are held back at a time, some 2 KiB each. They keep nobody from being
 * judged: whoever types wrong passwords at a VPN's own page would lock everybody else out there.
 */
export const HELD_MAX = 4_096

/** What is known of a request. */
export interface Known {
  /** Absent while it is on its way. */
  readonly answer: Uint8Array | undefined
}

interface Entry {
  readonly authenticator: string
  /** On the clock that never steps. */
  until: number
  answer: Uint8Array | undefined
}

/**
 * The requests that one client sent lately: a retransmission gets the answer that there was, and is
 * not judged again (RFC 5080 section 2.2.2). A code is good once, so a second judgement would refuse.
 */
export class Recent {
  readonly #entries = new Map<string, Entry>()
  #waiting = 0
  #held = 0

  /** `from`: the socket that it came from and its identifier. */
  find(from: string, authenticator: string, monotonicMs: number): Known | undefined {
    const entry = this.#entries.get(from)
    if (entry?.authenticator !== authenticator || entry.until <= monotonicMs) return undefined
    return entry
  }

  /** Takes in a new request, in the place of an older one of the same name; false if too many wait. */
  begin(from: string, authenticator: string, monotonicMs: number): boolean {
    if (this.#waiting >= WAITING_MAX) return false
    this.#forget(monotonicMs)
    // Behind all others, so that the map stays in the order of time.
    this.#entries.delete(from)
    this.#entries.set(from, { authenticator, until: Number.POSITIVE_INFINITY, answer: undefined })
    this.#waiting++
    return true
  }

  /** It has been judged, and another may be. */
  judged(): void {
    this.#waiting--
  }

  /** Holds a Reject back until the pause is over; false if there are too many, and it is not to be sent. */
  async hold(pause: () => Promise<unknown>): Promise<boolean> {
    if (this.#held >= HELD_MAX) return false
    this.#held++
    await pause()
    this.#held--
    return true
  }

  /** No answer: it is forgotten, and a retransmission is judged anew. */
  finish(
    from: string,
    authenticator: string,
    answer: Uint8Array | undefined,
    monotonicMs: number,
  ): void {
    const entry = this.#entries.get(from)
    if (entry?.authenticator !== authenticator) return
    if (!answer) {
      this.#entries.delete(from)
      return
    }
    entry.answer = answer
    entry.until = monotonicMs + KEPT_MS
    this.#entries.delete(from)
    this.#entries.set(from, entry)
  }

  /** Those that are over stand before all that were answered later. */
  #forget(monotonicMs: number): void {
    let tooMany = this.#entries.size - RECENT_MAX + 1
    for (const [from, { until, answer }] of this.#entries) {
      if (!answer) continue
      if (until > monotonicMs && tooMany <= 0) break
      this.#entries.delete(from)
      tooMany--
    }
  }
}
