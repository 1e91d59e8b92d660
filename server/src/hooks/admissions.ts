import {
  type Address,
  type Family,
  familyOf,
  formatNetwork,
  maskNetwork,
  type Network,
} from '@oneknock/shared'
import type { Clock } from '../core/clock.ts'
import type { Opening } from '../core/openings.ts'

/**
 * The openings of one service, found by address: one lookup for each prefix length in use, however
 * many there are. Each ends at the earlier of a wall-clock and a monotonic deadline, so a clock
 * that steps back prolongs nothing.
 */
export class Admissions {
  readonly #clock: Clock
  readonly #byNetwork = new Map<string, Admission>()
  readonly #lengths = new Map<string, PrefixLength>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  set(opening: Opening): void {
    const left = opening.until - this.#clock.now()
    const ends = this.#clock.monotonic() + left
    const { size } = this.#byNetwork
    this.#byNetwork.set(formatNetwork(opening.network), { opening, ends })
    if (this.#byNetwork.size > size) this.#count(opening.network, 1)
  }

  delete({ network }: Opening): void {
    if (this.#byNetwork.delete(formatNetwork(network))) this.#count(network, -1)
  }

  /** Whether an opening, other than for the network `except`, admits this address now. */
  admits(address: Address, except?: Network): boolean {
    const family = familyOf(address)
    const exceptKey = except && formatNetwork(except)
    for (const length of this.#lengths.values()) {
      if (length.family !== family) continue
      const key = formatNetwork(maskNetwork(address, length.prefix))
      const admission = this.#byNetwork.get(key)
      if (admission && key !== exceptKey && this.#lasts(admission)) return true
    }
    return false
  }

  list(): Opening[] {
    return [...this.#byNetwork.values()]
      .filter(admission => this.#lasts(admission))
      .map(({ opening }) => opening)
  }

  clear(): void {
    this.#byNetwork.clear()
    this.#lengths.clear()
  }

  #lasts({ opening, ends }: Admission): boolean {
    return opening.until > this.#clock.now() && ends > this.#clock.monotonic()
  }

  #count({ address, prefix }: Network, change: 1 | -1): void {
    const family = familyOf(address)
    const key = `${family}/${prefix}`
    const count = (this.#lengths.get(key)?.count ?? 0) + change
    if (count === 0) this.#lengths.delete(key)
    else this.#lengths.set(key, { family, prefix, count })
  }
}

interface Admission {
  readonly opening: Opening
  /** On the monotonic clock. */
  readonly ends: number
}

interface PrefixLength {
  readonly family: Family
  readonly prefix: number
  readonly count: number
}
