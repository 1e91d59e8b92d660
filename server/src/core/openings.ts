import { formatNetwork, type Network } from '@oneknock/shared'

/** What hooks see: one service open for one address or prefix until a time. */
export interface Opening {
  readonly service: string
  readonly network: Network
  /** Whose it is, for a service that opens something of each user's own; else absent. */
  readonly user?: string
  /** Milliseconds since the Unix epoch. */
  readonly until: number
}

/** The same service for the same network (and person) is the same opening, whatever its time. */
export const openingKey = ({ service, network, user }: Omit<Opening, 'until'>): string =>
  `${service} ${formatNetwork(network)}${user === undefined ? '' : ` ${user}`}`

/** What a change of grants means for one opening. `close` carries what was open last. */
export interface Change {
  readonly action: 'open' | 'close'
  readonly opening: Opening
}

/** What a grant needs open. */
export interface Need {
  readonly grant: string
  readonly user: string
  readonly services: readonly string[]
  readonly networks: readonly Network[]
  readonly until: number
}

/** Whether a service opens something of each user's own: ssh forwards, a router login. */
export type IsPersonal = (service: string) => boolean

interface Needed {
  opening: Opening
  readonly untilByGrant: Map<string, number>
}

/**
 * Merges grants into openings: an opening lasts until the latest deadline among the grants that
 * need it, and closing one grant takes away only what no other needs.
 */
export class Openings {
  readonly #isPersonal: IsPersonal
  readonly #needed = new Map<string, Needed>()
  readonly #keysOfGrant = new Map<string, readonly string[]>()

  constructor(isPersonal: IsPersonal = () => false) {
    this.#isPersonal = isPersonal
  }

  list(): Opening[] {
    return [...this.#needed.values()].map(({ opening }) => opening)
  }

  get(key: string): Opening | undefined {
    return this.#needed.get(key)?.opening
  }

  /** Of what a grant needs, since it was last set. */
  keysOf(grant: string): readonly string[] {
    return this.#keysOfGrant.get(grant) ?? []
  }

  /** Makes this grant need exactly what is given, whatever it needed before. */
  set(need: Need): Change[] {
    const before = this.keysOf(need.grant)
    const wanted: string[] = []
    const changes: Change[] = []
    for (const opening of this.of(need)) {
      const key = openingKey(opening)
      if (wanted.includes(key)) continue
      wanted.push(key)
      changes.push(...this.#add(key, opening, need.grant))
    }
    this.#keysOfGrant.set(need.grant, wanted)
    for (const key of before) {
      if (!wanted.includes(key)) changes.push(...this.#release(key, need.grant))
    }
    return changes
  }

  remove(grant: string): Change[] {
    const keys = this.keysOf(grant)
    this.#keysOfGrant.delete(grant)
    return keys.flatMap(key => this.#release(key, grant))
  }

  /** What a grant needs by itself, whoever else does. */
  of({ services, networks, user, until }: Need): Opening[] {
    const openings: Opening[] = []
    for (const service of services) {
      const isPersonal = this.#isPersonal(service)
      for (const network of networks) {
        openings.push(isPersonal ? { service, network, user, until } : { service, network, until })
      }
    }
    return openings
  }

  #add(key: string, opening: Opening, grant: string): Change[] {
    const needed = this.#needed.get(key)
    if (needed) {
      needed.untilByGrant.set(grant, opening.until)
      return this.#settle(key, needed)
    }
    this.#needed.set(key, { opening, untilByGrant: new Map([[grant, opening.until]]) })
    return [{ action: 'open', opening }]
  }

  #release(key: string, grant: string): Change[] {
    const needed = this.#needed.get(key)
    if (!needed?.untilByGrant.delete(grant)) return []
    return this.#settle(key, needed)
  }

  #settle(key: string, needed: Needed): Change[] {
    if (needed.untilByGrant.size === 0) {
      this.#needed.delete(key)
      return [{ action: 'close', opening: needed.opening }]
    }
    let until = 0
    for (const wanted of needed.untilByGrant.values()) until = Math.max(until, wanted)
    if (until === needed.opening.until) return []
    needed.opening = { ...needed.opening, until }
    return [{ action: 'open', opening: needed.opening }]
  }
}
