import { sha256 } from '@noble/hashes/sha2.js'
import {
  type Address,
  equalBytes,
  fromHex,
  type Network,
  toBase64Url,
  toHex,
} from '@oneknock/shared'
import type { Clock } from './clock.ts'
import type { Burn } from './factors.ts'

/** A link is all that it takes to say yes, so it is as hard to guess as a key. */
const TOKEN_BYTES = 32
/** Base64url without padding. */
const TOKEN_FORM = /^[\w-]{43}$/
const HASH_BYTES = 32
/** Hexadecimal digits of a hash by which one is looked up; all of it is compared then. */
const PLACE_DIGITS = 16

/** A right knock that waits for somebody's yes. As in the ledger: nothing in it can say yes. */
export interface Pending {
  /** 16 hexadecimal digits: what its grant will be called. */
  readonly id: string
  readonly user: string
  /** `user/label`; `user/@door` for a knock without a packet. */
  readonly device: string
  /** Of the key that asked; absent for a knock without a packet. */
  readonly keyId?: string | undefined
  readonly knock: string
  /** What will be opened; empty if only a code was to be looked at. */
  readonly services: readonly string[]
  /** Seconds that were asked for; 0 = the services' default. They count from the yes. */
  readonly lifetime: number
  readonly network: Network
  /** The address that the knock came from. */
  readonly source: Address
  readonly sentAt: number
  /** The factor that it used up; absent if it needed none. */
  readonly factor?: Pick<Burn, 'kind' | 'id'> | undefined
  /** The user who is asked, and over which channel. */
  readonly approver: string
  readonly channel: string
  /** SHA-256 of the token in the link, hexadecimal. */
  readonly tokenHash: string
  /** Milliseconds since the Unix epoch. */
  readonly since: number
  readonly until: number
}

/** A fresh token, which is in nobody's memory but its link's, and what is kept of it. */
export function newToken(random: (bytes: number) => Uint8Array): { token: string; hash: string } {
  const token = toBase64Url(random(TOKEN_BYTES))
  return { token, hash: hashToken(token) }
}

/** Of its text, not its bytes: no other text is the same token. */
const hashToken = (token: string): string => toHex(sha256(new TextEncoder().encode(token)))

interface Held {
  readonly pending: Pending
  /** On the clock that never steps. */
  readonly deadline: number
}

/** What waits for a yes, each until the earlier of a wall-clock and a monotonic deadline. */
export class Waiting {
  readonly #clock: Clock
  readonly #held = new Map<string, Held>()
  /** Ids, by the beginning of their token's hash. */
  readonly #places = new Map<string, string>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#held.size
  }

  list(): Pending[] {
    return [...this.#held.values()].map(({ pending }) => pending)
  }

  get(id: string): Pending | undefined {
    return this.#held.get(id)?.pending
  }

  /** What the link with this token is about, if it can still be answered. */
  find(token: string): Pending | undefined {
    if (!TOKEN_FORM.test(token)) return undefined
    const hash = hashToken(token)
    const held = this.#held.get(this.#places.get(hash.slice(0, PLACE_DIGITS)) ?? '')
    if (!held || this.#isOver(held)) return undefined
    const [one, other] = [fromHex(held.pending.tokenHash)!, fromHex(hash)!]
    return equalBytes(one, 0, other, 0, HASH_BYTES) ? held.pending : undefined
  }

  /** Takes it in; its time never grows by being put anew. */
  put(pending: Pending): void {
    const left = this.#clock.monotonic() + pending.until - this.#clock.now()
    const before = this.#held.get(pending.id)?.deadline ?? Number.POSITIVE_INFINITY
    this.#held.set(pending.id, { pending, deadline: Math.min(before, left) })
    this.#places.set(pending.tokenHash.slice(0, PLACE_DIGITS), pending.id)
  }

  remove(id: string): void {
    const pending = this.get(id)
    if (!pending) return
    this.#held.delete(id)
    this.#places.delete(pending.tokenHash.slice(0, PLACE_DIGITS))
  }

  /** The wall clock was set back by so much: what waits goes back with it, and waits no longer. */
  shift(ms: number): void {
    for (const { pending } of this.#held.values()) {
      this.put({ ...pending, since: pending.since - ms, until: pending.until - ms })
    }
  }

  /** Those whose time is up by either clock. */
  expired(): Pending[] {
    return [...this.#held.values()].filter(held => this.#isOver(held)).map(({ pending }) => pending)
  }

  #isOver({ pending, deadline }: Held): boolean {
    return pending.until <= this.#clock.now() || deadline <= this.#clock.monotonic()
  }
}
