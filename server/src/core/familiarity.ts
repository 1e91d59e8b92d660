import { formatNetwork, type Network } from '@oneknock/shared'
import type { Service } from './directory.ts'

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
  readonly #visits = new Map<string, Map<string, VisitRecord>>()

  /** What a knock now would count as: 0 for a first visit. */
  visits(user: string, network: Network, nowMs: number): number {
    const last = this.#visits.get(user)?.get(formatNetwork(network))
    if (!last || nowMs - last.seen > FORGET_MS) return 0
    return nowMs >= last.until ? Math.min(last.visits + 1, VISITS_MOST) : last.visits
  }

  /** `until` is that of the grant. */
  come(user: string, network: Network, until: number, nowMs: number): void {
    const text = formatNetwork(network)
    const ofUser = this.#visits.get(user) ?? new Map<string, VisitRecord>()
    this.#visits.set(user, ofUser)
    const last = ofUser.get(text)
    const visits = this.visits(user, network, nowMs)
    const isSame = last !== undefined && last.visits === visits && nowMs < last.until
    // Behind the others: a map is in the order in which its keys were set.
    ofUser.delete(text)
    ofUser.set(text, {
      user,
      network: text,
      visits,
      until: isSame ? last.until : until,
      seen: nowMs,
    })
    const [oldest] = ofUser.keys()
    if (ofUser.size > ADDRESSES_KEPT) ofUser.delete(oldest!)
  }

  forget(nowMs: number): void {
    for (const [user, ofUser] of this.#visits) {
      for (const [text, { seen }] of ofUser) if (nowMs - seen > FORGET_MS) ofUser.delete(text)
      if (ofUser.size === 0) this.#visits.delete(user)
    }
  }

  record(): readonly VisitRecord[] {
    return [...this.#visits.values()].flatMap(ofUser => [...ofUser.values()])
  }

  restore(record: readonly VisitRecord[]): void {
    for (const visit of record) {
      const ofUser = this.#visits.get(visit.user) ?? new Map<string, VisitRecord>()
      this.#visits.set(visit.user, ofUser.set(visit.network, visit))
    }
  }
}
