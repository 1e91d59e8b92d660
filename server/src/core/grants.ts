import { formatNetwork, type Network, sameNetwork } from '@oneknock/shared'
import type { Clock } from './clock.ts'
import type { Burn } from './factors.ts'
import { Elements, elementsOf } from './recorded.ts'
import { Soonest } from './soonest.ts'
import { SteadyMap } from './steady.ts'

/** What stands where a grant's id would, if there is no grant. */
export const NO_GRANT = '0000000000000000'

/** A user's access to services from an address (of each family, one) until a time. As in the ledger. */
export interface Grant {
  /** 16 hexadecimal digits. */
  readonly id: string
  readonly user: string
  /** `user/label`. */
  readonly device: string
  /** Of the key that asked for it (`keyIdOf`); absent for a door without keys. */
  readonly keyId?: string | undefined
  /** What was shown in a key's place, at a door without keys: the grant lasts no longer than it is theirs. */
  readonly factor?: Pick<Burn, 'kind' | 'id'> | undefined
  readonly services: readonly string[]
  readonly networks: readonly Network[]
  /** The sent_at of the packet that opened it: a close ends only what was opened earlier. */
  readonly sentAt: number
  /** Milliseconds since the Unix epoch. */
  readonly until: number
}

export type EndedWhy = 'expired' | 'closed' | 'renewed' | 'failed' | 'administrator' | 'removed'

/** A grant that gives access no more, and whose doors are being closed. */
export interface Ending {
  readonly grant: Grant
  readonly why: EndedWhy
}

interface Held {
  readonly grant: Grant
  /** On the clock that never steps. */
  readonly deadline: number
}

/**
 * The grants that live, each until the earlier of a wall-clock and a monotonic deadline; and those
 * that have ended while their hooks are still closing, which a crash must not forget.
 */
export class Grants {
  readonly #clock: Clock
  readonly #held = new SteadyMap<Held>()
  /** When they end by the wall clock, and by the one that never steps: among many, the next ones. */
  readonly #untils = new Soonest()
  readonly #deadlines = new Soonest()
  /** The live ones of each: what one device or user does must not cost more for what others hold. */
  readonly #byDevice = new Groups()
  readonly #byUser = new Groups()
  /** Of these, by where each is for first: what one device has elsewhere must not cost either. */
  readonly #byPlace = new Map<string, readonly string[]>()
  readonly #ending = new Map<string, Ending>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#held.size
  }

  list(): Grant[] {
    return [...this.#held].map(([, { grant }]) => grant)
  }

  /** Those that live now, and those that are being closed. */
  record(): { readonly grants: Elements<Grant>; readonly ending: Elements<Ending> } {
    return {
      grants: elementsOf(this.#held, ([, { grant }]) => [grant]),
      ending: new Elements(this.listEnding()),
    }
  }

  /** Ended, not yet closed. */
  listEnding(): Ending[] {
    return [...this.#ending.values()]
  }

  getEnding(id: string): Ending | undefined {
    return this.#ending.get(id)
  }

  get(id: string): Grant | undefined {
    return this.#held.get(id)?.grant
  }

  /** A user's. */
  of(user: string): Grant[] {
    return this.#byUser.of(user)
  }

  /** Takes in a new grant, or a known one that has changed. Its time never grows by being put anew. */
  put(grant: Grant): void {
    const left = this.#clock.monotonic() + grant.until - this.#clock.now()
    const before = this.#held.get(grant.id)
    const deadline = Math.min(before?.deadline ?? Number.POSITIVE_INFINITY, left)
    if (before) this.#unplace(before.grant)
    this.#held.set(grant.id, { grant, deadline })
    this.#untils.set(grant.id, grant.until)
    this.#deadlines.set(grant.id, deadline)
    this.#byDevice.put(grant.device, grant)
    this.#byUser.put(grant.user, grant)
    const place = placeOf(grant)
    this.#byPlace.set(place, [...this.#at(place), grant.id])
    this.#ending.delete(grant.id)
  }

  /** It gives access no more; what it opened is to be closed. `undefined` if it does not live. */
  end(id: string, why: EndedWhy): Ending | undefined {
    const grant = this.get(id)
    if (!grant) return undefined
    const ending = { grant, why }
    this.#drop(id)
    this.#ending.set(id, ending)
    return ending
  }

  /** What it opened is closed: nothing is left to remember. */
  remove(id: string): void {
    this.#drop(id)
    this.#ending.delete(id)
  }

  restoreEnding(ending: Ending): void {
    this.#ending.set(ending.grant.id, ending)
  }

  /** The wall clock was set back by so much: every grant goes back with it, and lasts no longer. */
  shift(ms: number): void {
    for (const grant of this.list()) this.put({ ...grant, until: grant.until - ms })
  }

  /** Those whose time is up by either clock. */
  expired(): Grant[] {
    const walls = this.#untils.until(this.#clock.now())
    const monotonics = this.#deadlines.until(this.#clock.monotonic())
    return [...new Set([...walls, ...monotonics])].map(id => this.get(id)!)
  }

  /** Milliseconds until the next one ends; `Infinity` if there is none. */
  nextEnd(): number {
    const wall = this.#untils.next() - this.#clock.now()
    return Math.min(wall, this.#deadlines.next() - this.#clock.monotonic())
  }

  /** The grants of the same device whose every opening is this one's too, and for as long. */
  supersededBy(grant: Grant): Grant[] {
    const { device, networks } = grant
    const places = networks.map(network => placeOf({ device, networks: [network] }))
    const olds = places.flatMap(place => this.#at(place).map(id => this.get(id)!))
    return olds.filter(
      old =>
        old.id !== grant.id &&
        old.until <= grant.until &&
        old.services.every(service => grant.services.includes(service)) &&
        old.networks.every(theirs => grant.networks.some(its => sameNetwork(its, theirs))),
    )
  }

  /** What a close by this device, sent then, does to its earlier grants. No names = all services. */
  closing(device: string, services: readonly string[], sentAt: number): Closing[] {
    return this.#byDevice
      .of(device)
      .filter(grant => grant.sentAt < sentAt)
      .map(grant => {
        const closed = grant.services.filter(name => !services.length || services.includes(name))
        return { grant, closed, left: grant.services.filter(name => !closed.includes(name)) }
      })
      .filter(({ closed }) => closed.length > 0)
  }

  /** The ids of those that are for this place first. */
  #at(place: string): readonly string[] {
    return this.#byPlace.get(place) ?? NOTHING
  }

  #drop(id: string): void {
    const grant = this.get(id)
    if (!grant) return
    this.#held.delete(id)
    this.#untils.delete(id)
    this.#deadlines.delete(id)
    this.#byDevice.remove(grant.device, id)
    this.#byUser.remove(grant.user, id)
    this.#unplace(grant)
  }

  #unplace(grant: Grant): void {
    const place = placeOf(grant)
    const others = this.#at(place).filter(id => id !== grant.id)
    if (others.length > 0) this.#byPlace.set(place, others)
    else this.#byPlace.delete(place)
  }
}

/** Grants by what they have in common. */
class Groups {
  readonly #groups = new Map<string, Map<string, Grant>>()

  put(key: string, grant: Grant): void {
    const group = this.#groups.get(key)
    if (group) group.set(grant.id, grant)
    else this.#groups.set(key, new Map([[grant.id, grant]]))
  }

  remove(key: string, id: string): void {
    const group = this.#groups.get(key)
    group?.delete(id)
    if (group?.size === 0) this.#groups.delete(key)
  }

  of(key: string): Grant[] {
    return [...(this.#groups.get(key)?.values() ?? [])]
  }
}

const NOTHING: readonly string[] = []

const placeOf = ({ device, networks }: Pick<Grant, 'device' | 'networks'>): string =>
  `${device} ${formatNetwork(networks[0]!)}`

export interface Closing {
  readonly grant: Grant
  /** The names of the services that are closed. */
  readonly closed: readonly string[]
  /** The names of those that stay open. */
  readonly left: readonly string[]
}
