import { type Address, familyOf, maskNetwork } from '@oneknock/shared'
import { SOURCES_MAX, TRIES, TRY_MS } from './limits.ts'

/** What one customer of a provider has of IPv6 at the least. */
const IPV6_SITE = 64

/** What counts as one source. */
export const siteOf = (address: Address): string =>
  familyOf(address) === 4 ? address : maskNetwork(address, IPV6_SITE).address

/**
 * What each source may still do: try codes, whoever they are for, unless it says otherwise. Kept as the one
 * instant at which the budget would be full again; whoever came longest ago is forgotten first.
 */
export class Budget {
  readonly #tries: number
  readonly #tryMs: number
  readonly #fullAt = new Map<string, number>()

  /** So many at once, and milliseconds until one more is earned. */
  constructor(tries = TRIES, tryMs = TRY_MS) {
    this.#tries = tries
    this.#tryMs = tryMs
  }

  /** Takes one try; false if there is none. */
  take(source: Address, monotonicMs: number): boolean {
    const site = siteOf(source)
    const fullAt = Math.max(this.#fullAt.get(site) ?? 0, monotonicMs) + this.#tryMs
    if (fullAt - monotonicMs > this.#tries * this.#tryMs) return false
    this.#fullAt.delete(site)
    this.#fullAt.set(site, fullAt)
    if (this.#fullAt.size > SOURCES_MAX) this.#fullAt.delete(this.#fullAt.keys().next().value!)
    return true
  }

  /** The try was a good one. */
  giveBack(source: Address): void {
    const site = siteOf(source)
    const fullAt = this.#fullAt.get(site)
    if (fullAt !== undefined) this.#fullAt.set(site, fullAt - this.#tryMs)
  }

  get size(): number {
    return this.#fullAt.size
  }
}
