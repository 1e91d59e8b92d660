import { type Address, familyOf, maskNetwork } from '@oneknock/shared'
import { Buckets } from '../../core/buckets.ts'
import { SOURCES_MAX, TRIES, TRY_MS } from './limits.ts'

/** What one customer of a provider has of IPv6 at the least. */
const IPV6_SITE = 64

/** What counts as one source. */
export const siteOf = (address: Address): string =>
  familyOf(address) === 4 ? address : maskNetwork(address, IPV6_SITE).address

/** What each source may still do: try codes, whoever they are for, unless it says otherwise. */
export class Budget {
  readonly #buckets: Buckets

  /** So many at once, and milliseconds until one more is earned. */
  constructor(tries = TRIES, tryMs = TRY_MS) {
    this.#buckets = new Buckets(tries, tryMs, SOURCES_MAX)
  }

  /** Takes one try; false if there is none. */
  take(source: Address, monotonicMs: number): boolean {
    return this.#buckets.take(siteOf(source), monotonicMs)
  }

  /** The try was a good one. */
  giveBack(source: Address): void {
    this.#buckets.giveBack(siteOf(source))
  }

  get size(): number {
    return this.#buckets.size
  }
}
