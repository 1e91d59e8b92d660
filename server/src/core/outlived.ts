import { sameNetwork } from '@oneknock/shared'
import type { EndedWhy, Grant } from './grants.ts'
import { elementsOf, type Recorded } from './recorded.ts'
import { SteadyMap } from './steady.ts'

/** Milliseconds since its packet was sent: hardly anything stays connected for longer. */
const KEPT_MS = 90 * 86_400_000
/** Of one user: each device at home, at work, and wherever it wandered. The oldest makes room. */
const KEPT_MOST = 64

/** Whether what came in by a grant that ended so goes on: somebody who is put out is cut at once. */
export const mayOutlive = (why: EndedWhy): boolean => why === 'expired' || why === 'closed'

/** What is remembered of a grant: its end is behind it, and no clock that is set back moves it. */
export type Past = Omit<Grant, 'until'>

/**
 * Grants that are over, since connections outlive them: so that these can be cut once their user is to
 * be out, which may be long after the door has closed.
 */
export class Outlived {
  /** By user, the oldest first. */
  readonly #grants = new SteadyMap<readonly Past[]>()

  list(): Past[] {
    return [...this.#grants].flatMap(([, grants]) => grants)
  }

  of(user: string): readonly Past[] {
    return this.#grants.get(user) ?? []
  }

  /** It is over. What let in the same, from the same place, need not be remembered beside it. */
  add({ id, user, device, keyId, factor, services, networks, sentAt }: Past): void {
    const grant = { id, user, device, keyId, factor, services, networks, sentAt }
    const others = this.of(user).filter(other => !letsInTheSame(other, grant))
    this.#grants.set(user, [...others, grant].slice(-KEPT_MOST))
  }

  /** What came in by it to these services is cut. */
  cut(user: string, id: string, services: readonly string[]): void {
    const left = this.of(user).flatMap(grant => {
      if (grant.id !== id) return [grant]
      const kept = grant.services.filter(name => !services.includes(name))
      return kept.length > 0 ? [{ ...grant, services: kept }] : []
    })
    this.#set(user, left)
  }

  forget(nowMs: number): void {
    for (const [user, grants] of this.#grants) {
      const kept = grants.filter(({ sentAt }) => nowMs - sentAt <= KEPT_MS)
      if (kept.length < grants.length) this.#set(user, kept)
    }
  }

  record(): Recorded<readonly Past[]> {
    return elementsOf(this.#grants, ([, grants]) => grants)
  }

  restore(record: readonly Past[]): void {
    for (const grant of record) this.add(grant)
  }

  #set(user: string, grants: readonly Past[]): void {
    if (grants.length > 0) this.#grants.set(user, grants)
    else this.#grants.delete(user)
  }
}

/** And by the same right: of two keys, or two factors, one may be taken away. */
const letsInTheSame = (one: Past, other: Past): boolean =>
  one.id === other.id ||
  (one.device === other.device &&
    one.keyId === other.keyId &&
    one.factor?.id === other.factor?.id &&
    one.services.length === other.services.length &&
    one.services.every(name => other.services.includes(name)) &&
    one.networks.length === other.networks.length &&
    one.networks.every(its => other.networks.some(theirs => sameNetwork(its, theirs))))
