import { formatNetwork, type Network } from '@oneknock/shared'
import type { Service } from './directory.ts'
import { elementsOf, type Recorded } from './recorded.ts'
import { SteadyMap } from './steady.ts'

/** Milliseconds after which an address that nobody came from is a stranger again. */
const FORGET_MS = 30 * 86_400_000
/** Addresses of one user: home, work, a phone that wanders. The one unseen for longest makes room. */
const ADDRESSES_KEPT = 16
/** More changes no lifetime: twice as long each time, a second has become an age. */
const VISITS_MOST = 255

/** One user's earlier grants from one address or network, as the ledger keeps them. */
export interface VisitRecord {
  readonly user: string
  readonly network: string
  /** How often they had come before when they were counted last. */
  readonly visits: number
  /** Until when that grant was. Milliseconds since the Unix epoch, as below. */
  readonly until: number
  readonly seen: number
}

/** Seconds that this service lasts for somebody who has come so often before, from the same address. */
export function grownLifetime(
  { lifetime, maxLifetime, grows = 1 }: Pick<Service, 'lifetime' | 'maxLifetime' | 'grows'>,
  visits: number,
): number {
  return Math.floor(Math.min(maxLifetime, lifetime * grows ** visits))
}

/**
 * How often each user came from where, for services that trust an address the longer the more it is
 * used. Coming again counts once the time of the last counted grant is over, so however often somebody
 * knocks, an address is trusted for at most `grows` times as long as it has been trusted already.
 */
export class Familiarity {
  /** By user, the oldest first. */
  readonly #visits = new SteadyMap<readonly VisitRecord[]>()

  /** What a knock now would count as: 0 for a first visit. */
  visits(user: string, network: Network, nowMs: number): number {
    const last = this.#last(user, formatNetwork(network))
    if (!last || nowMs - last.seen > FORGET_MS) return 0
    return nowMs >= last.until ? Math.min(last.visits + 1, VISITS_MOST) : last.visits
  }

  /** `until` is that of the grant. */
  come(user: string, network: Network, until: number, nowMs: number): void {
    const text = formatNetwork(network)
    const last = this.#last(user, text)
    const visits = this.visits(user, network, nowMs)
    const isSame = last !== undefined && last.visits === visits && nowMs < last.until
    const visit = {
      user,
      network: text,
      visits,
      until: isSame ? last.until : until,
      seen: nowMs,
    }
    const others = this.#visits.get(user)?.filter(one => one !== last) ?? []
    this.#visits.set(user, [...others, visit].slice(-ADDRESSES_KEPT))
  }

  forget(nowMs: number): void {
    for (const [user, visits] of this.#visits) {
      const kept = visits.filter(({ seen }) => nowMs - seen <= FORGET_MS)
      if (kept.length === 0) this.#visits.delete(user)
      else if (kept.length < visits.length) this.#visits.set(user, kept)
    }
  }

  record(): Recorded<readonly VisitRecord[]> {
    return elementsOf(this.#visits, ([, visits]) => visits)
  }

  restore(record: readonly VisitRecord[]): void {
    for (const visit of record) {
      this.#visits.set(visit.user, [...(this.#visits.get(visit.user) ?? []), visit])
    }
  }

  #last(user: string, network: string): VisitRecord | undefined {
    return this.#visits.get(user)?.find(one => one.network === network)
  }
}
