import { ANY, type Family, familyOf, NONCE_BYTES, type Reply } from '@oneknock/shared'
import type { Clock } from './clock.ts'
import type { Exchange, Heard } from './exchange.ts'
import type { NamedRoute } from './naming.ts'
import type { KnockEvent, KnockResult } from './outcome.ts'
import { type Told, verdictOf } from './verdict.ts'

/**
 * When an unanswered packet is followed by another, milliseconds after the first: soon, so that a lost
 * one is made up for before a person notices, then at one pace until the last can still be answered.
 * Longer gaps would spare a busy network, but these are 256 bytes; and where a flood takes the place of
 * two packets in three, it is their number that gets one through. Of two families, if all arrive, the
 * server's bucket for a device lets through all but the last.
 */
export const RETRANSMIT_AT_MS: readonly number[] = Array.from(
  { length: 13 },
  (_, i) => 300 + 600 * i,
)
/**
 * How long the first family's verdict waits for the other's. Both were asked at once, so twice the
 * first one's round trip is ample, and a family that is not there costs no more than this.
 */
export const GRACE_MIN_MS = 50
export const GRACE_MAX_MS = 300
/** Between two questions whether somebody has said yes: each costs the server one line of its ledger. */
export const POLL_MS = 2_000

export interface Surroundings {
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
}

export interface Terms {
  /** How long to wait for any answer at all, milliseconds. */
  readonly giveUpMs: number
  /** How long to wait for an approval, milliseconds. */
  readonly patience: number
  readonly signal: AbortSignal | undefined
  readonly on: (event: KnockEvent) => void
}

/** One family's part of the knock. */
export interface Side {
  readonly named: NamedRoute['named']
  readonly route: NamedRoute['route']
  readonly exchange: Exchange
}

/**
 * `asking`: packets go out until one is answered. `pending`: answered, somebody must say yes.
 * `settled`: answered for good. `silent`: given up.
 */
type State = 'asking' | 'pending' | 'settled' | 'silent'

interface Part extends Side {
  readonly family: Family
  state: State
  attempts: number
  /** Asked again, since its first packet was answered before it could join. */
  rejoined: boolean
  told: Told | undefined
  trouble: string | undefined
}

/**
 * Knocks over every route at once, and gives the one verdict. All routes carry the same knock id:
 * to the server, whichever packet comes first is the knock, and the other family's joins it.
 */
export function converse(
  sides: readonly Side[],
  surroundings: Surroundings,
  terms: Terms,
): Promise<KnockResult> {
  return new Promise(settle => new Conversation(sides, surroundings, terms, settle).start())
}

class Conversation {
  readonly #parts: readonly Part[]
  readonly #clock: Clock
  readonly #random: Surroundings['random']
  readonly #terms: Terms
  readonly #settle: (result: KnockResult) => void
  readonly #timers = new Set<() => void>()
  #cancelGrace = () => {}
  #isPolling = false
  #isOver = false
  #clockOffsetMs: number | undefined

  constructor(
    sides: readonly Side[],
    { clock, random }: Surroundings,
    terms: Terms,
    settle: (result: KnockResult) => void,
  ) {
    this.#parts = sides.map(side => ({
      ...side,
      family: familyOf(side.route.server),
      state: 'asking',
      attempts: 0,
      rejoined: false,
      told: undefined,
      trouble: undefined,
    }))
    this.#clock = clock
    this.#random = random
    this.#terms = terms
    this.#settle = settle
  }

  start(): void {
    const { signal } = this.#terms
    if (signal?.aborted) this.#abort()
    if (this.#isOver) return
    signal?.addEventListener('abort', this.#abort)
    for (const part of this.#parts) {
      part.route.listen({
        datagram: datagram => this.#hear(part, datagram),
        trouble: cause => this.#note(part, cause),
      })
    }
    this.#transmit()
    for (const ms of RETRANSMIT_AT_MS) this.#after(ms, () => this.#transmit())
    this.#after(this.#terms.giveUpMs, () => this.#giveUp())
  }

  #transmit(): void {
    for (const part of this.#parts) if (part.state === 'asking') this.#send(part)
  }

  #send(part: Part): void {
    if (this.#isOver) return
    // What was wrong with the packet before need not be with this one.
    part.trouble = undefined
    part.attempts++
    const nonce = this.#random(NONCE_BYTES)
    part.route.send(part.exchange.seal(nonce, this.#clock.now(), this.#clock.monotonic()))
    this.#terms.on({ type: 'sent', family: part.family, attempt: part.attempts })
  }

  #note(part: Part, cause: string): void {
    part.trouble = cause
    this.#terms.on({ type: 'trouble', family: part.family, server: part.route.server, cause })
  }

  #hear(part: Part, datagram: Uint8Array): void {
    const heard = part.state === 'settled' ? undefined : part.exchange.open(datagram)
    if (!heard) return
    const { reply } = heard
    if (part.state === 'pending' && reply.status === 'pending') return
    this.#compareClocks(heard)
    const { status, reason, detail } = reply
    this.#terms.on({ type: 'reply', family: part.family, status, reason, detail })
    part.told = { reply, at: this.#clock.now() }
    const roundTrip = this.#clock.monotonic() - heard.sentMonotonic
    if (status === 'pending') this.#wait(part)
    else if (this.#hasNotJoined(part, reply)) this.#rejoin(part, roundTrip)
    else this.#conclude(part, roundTrip)
  }

  #compareClocks({ reply, sentAt }: Heard): void {
    if (this.#clockOffsetMs !== undefined) return
    this.#clockOffsetMs = Math.round(reply.serverMs - (sentAt + this.#clock.now()) / 2)
    this.#terms.on({ type: 'clock', offsetMs: this.#clockOffsetMs })
  }

  /** One route asks for all: a knock has one outcome. */
  #wait(part: Part): void {
    part.state = 'pending'
    if (this.#isPolling) return
    this.#isPolling = true
    const poll = () => {
      if (part.state !== 'pending') return
      this.#send(part)
      this.#after(POLL_MS, poll)
    }
    this.#after(POLL_MS, poll)
    this.#after(this.#terms.patience, () => this.#finish())
  }

  /** Told of an opening, but of the other family's. */
  #hasNotJoined({ named, rejoined }: Part, { status, address }: Reply): boolean {
    if (this.#parts.length < 2 || status !== 'opened' || named.address === ANY) return false
    return !rejoined && familyOf(address) !== familyOf(named.address)
  }

  /** This packet met the knock before it was accepted, and was told the other's outcome. Now it can join. */
  #rejoin(part: Part, roundTrip: number): void {
    part.rejoined = true
    part.state = 'asking'
    part.exchange.forget()
    this.#send(part)
    this.#beGraceful(roundTrip)
  }

  #conclude(part: Part, roundTrip: number): void {
    part.state = 'settled'
    if (part.told?.reply.status === 'opened') this.#joinOthers()
    if (this.#parts.some(({ state }) => state === 'asking')) this.#beGraceful(roundTrip)
    else this.#finish()
  }

  /** Those who were told to wait can join now. */
  #joinOthers(): void {
    for (const part of this.#parts) {
      if (part.state !== 'pending') continue
      part.state = 'asking'
      part.exchange.forget()
      this.#send(part)
    }
  }

  #beGraceful(roundTrip: number): void {
    this.#cancelGrace()
    const ms = Math.min(GRACE_MAX_MS, Math.max(GRACE_MIN_MS, 2 * roundTrip))
    this.#cancelGrace = this.#after(ms, () => this.#finish())
  }

  #giveUp(): void {
    for (const part of this.#parts) if (part.state === 'asking') part.state = 'silent'
    if (this.#parts.every(({ state }) => state === 'silent')) this.#finish()
  }

  readonly #abort = () => this.#end({ status: 'aborted' })

  #finish(): void {
    this.#end(verdictOf(this.#parts, this.#clockOffsetMs ?? 0))
  }

  #end(result: KnockResult): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const cancel of this.#timers) cancel()
    this.#terms.signal?.removeEventListener('abort', this.#abort)
    this.#settle(result)
  }

  #after(ms: number, run: () => void): () => void {
    const cancel = this.#clock.after(ms, () => {
      this.#timers.delete(cancel)
      run()
    })
    this.#timers.add(cancel)
    return cancel
  }
}
