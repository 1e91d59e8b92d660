import {
  type Address,
  containsNetwork,
  familyOf,
  familyPrefix,
  maskNetwork,
  sameNetwork,
  wirePrefix,
} from '@oneknock/shared'
import type { Port, Service } from '../../core/directory.ts'
import { describeLead, sameLeads } from '../../core/forwards.ts'
import { type Opening, openingKey } from '../../core/openings.ts'
import type { Flow, OpenElement } from './flows.ts'
import { hasPort, ONE_ADDRESS, samePort, type Zone } from './zones.ts'

/** Milliseconds by which the kernel's end of an element may differ from what it was told: it counts in jiffies. */
const KERNEL_TOLERANCE = 1_000

export interface Place {
  readonly zone: Zone
  readonly service: Service
}

/** A service for a network, whoever opened it: the kernel knows no users. */
export type Door = Pick<Opening, 'service' | 'network'>

const doorKey = ({ service, network }: Door): string => openingKey({ service, network })

/**
 * What is to be open, and what that means for the elements of the table. Services may share a port
 * and users a door, so an element lasts as long as any opening needs it.
 */
export class Held {
  /** By door, then by opening: a personal service has one for each user. */
  readonly #doors = new Map<string, Map<string, Opening>>()
  #recent = new Set<string>()
  #places: ReadonlyMap<string, Place>

  constructor(zones: readonly Zone[]) {
    this.#places = placesIn(zones)
  }

  get size(): number {
    return [...this.#doors.values()].reduce((sum, { size }) => sum + size, 0)
  }

  list(): Opening[] {
    return openingsOf(this.#doors)
  }

  place(service: string): Place | undefined {
    return this.#places.get(service)
  }

  /** Takes up other zones and drops what has no place as before; returns how to undo that. */
  rezone(zones: readonly Zone[]): () => void {
    const before = this.#places
    this.#places = placesIn(zones)
    const dropped = openingsOf(this.#doors).filter(opening => {
      const [old, now] = [before, this.#places].map(places => places.get(opening.service))
      return !(old && now && samePlace(old, now) && this.fits(opening))
    })
    for (const opening of dropped) this.remove(opening)
    return () => {
      this.#places = before
      for (const opening of dropped) this.put(opening)
    }
  }

  /** Whether policy, and so the table, has room for a prefix of this length. */
  fits({ service, network }: Door): boolean {
    const prefixes = this.#places.get(service)?.zone.prefixes[familyOf(network.address)]
    return prefixes?.includes(familyPrefix(network)) ?? false
  }

  get(opening: Opening): Opening | undefined {
    return this.#doors.get(doorKey(opening))?.get(openingKey(opening))
  }

  /** Whether anybody holds that door. */
  holds(door: Door): boolean {
    return this.#doors.has(doorKey(door))
  }

  put(opening: Opening): void {
    const key = doorKey(opening)
    const door = this.#doors.get(key) ?? new Map<string, Opening>()
    this.#doors.set(key, door.set(openingKey(opening), opening))
    this.#recent.add(key)
  }

  remove(opening: Opening): void {
    const key = doorKey(opening)
    const door = this.#doors.get(key)
    door?.delete(openingKey(opening))
    if (door?.size === 0) this.#doors.delete(key)
  }

  /** The doors that were held at any time since `restartRecent`, by their keys, as `admits` takes them. */
  recent(): ReadonlySet<string> {
    return this.#recent
  }

  /** From now on only what is held, or comes to be; `undo` takes back what was before. */
  restartRecent(): { undo(): void } {
    const before = this.#recent
    this.#recent = new Set(this.#doors.keys())
    return {
      undo: () => {
        for (const key of before) this.#recent.add(key)
      },
    }
  }

  /** Forgets what has ended and was never closed. */
  prune(now: number): void {
    for (const opening of openingsOf(this.#doors)) if (opening.until < now) this.remove(opening)
  }

  /** How the elements of this door's ports should stand, whether it is held or not. */
  elementsOf({ service, network }: Door, now: number): OpenElement[] {
    const { zone, service: { ports } = { ports: [] } } = this.#places.get(service) ?? {}
    if (!zone) return []
    return ports.map(port => {
      const ends = sharing(zone, port).map(name => this.#until({ service: name, network }))
      return { zone: zone.name, network, port, remaining: Math.max(...ends) - now }
    })
  }

  elements(now: number): OpenElement[] {
    const doors = [...this.#doors.values()].flatMap(door => [...door.values()].slice(0, 1))
    return doors.flatMap(door => this.elementsOf(door, now))
  }

  /** Other openings that admit some of the same peers to this port of the zone. */
  rivals(opening: Opening, port: Port, zone: Zone): Opening[] {
    const names = sharing(zone, port)
    const own = openingKey(opening)
    const { network } = opening
    const rivals =
      network.prefix === ONE_ADDRESS
        ? this.#around(names, network.address, zone)
        : openingsOf(this.#doors).filter(
            other =>
              names.includes(other.service) &&
              (containsNetwork(other.network, network) || containsNetwork(network, other.network)),
          )
    return rivals.filter(other => openingKey(other) !== own)
  }

  /** By the name of each network that has it: thousands may end at once, and each of them asks. */
  #around(services: readonly string[], address: Address, zone: Zone): Opening[] {
    const family = familyOf(address)
    return zone.prefixes[family].flatMap(length => {
      const network = maskNetwork(address, wirePrefix(family, length))
      return services.flatMap(service => [
        ...(this.#doors.get(doorKey({ service, network }))?.values() ?? []),
      ])
    })
  }

  /**
   * The openings that these elements, read from the table, amount to: all ports of a service must be
   * there. What is not held counts unless what is held explains it.
   */
  recognise(elements: readonly OpenElement[], now: number): Opening[] {
    const found = new Map<string, Door & { readonly elements: OpenElement[] }>()
    for (const element of elements) {
      const { network } = element
      for (const service of this.#servicesOf(element)) {
        const key = doorKey({ service, network })
        const door = found.get(key) ?? { service, network, elements: [] }
        door.elements.push(element)
        found.set(key, door)
      }
    }
    return [...found.values()]
      .filter(door => door.elements.length === this.place(door.service)!.service.ports.length)
      .flatMap(door => {
        const until = now + Math.min(...door.elements.map(({ remaining }) => remaining))
        const held = [...(this.#doors.get(doorKey(door))?.values() ?? [])]
        const told = held.map(opening => asTold(opening, until))
        if (told.length > 0 || door.elements.every(element => this.#explains(element))) return told
        return [{ service: door.service, network: door.network, until }]
      })
  }

  #until(door: Door): number {
    const openings = [...(this.#doors.get(doorKey(door))?.values() ?? [])]
    return Math.max(0, ...openings.map(({ until }) => until))
  }

  #servicesOf({ zone, port }: OpenElement): string[] {
    return [...this.#places.values()]
      .filter(place => place.zone.name === zone && hasPort(place.service.ports, port))
      .map(({ service }) => service.name)
  }

  #explains(element: OpenElement): boolean {
    const { network } = element
    return this.#servicesOf(element).some(service => this.#doors.has(doorKey({ service, network })))
  }
}

/** Whether one of these doors, given by their keys, admits this flow into the zone. */
export function admits(doors: ReadonlySet<string>, zone: Zone, flow: Flow): boolean {
  const family = familyOf(flow.address)
  const services = sharing(zone, flow)
  return zone.prefixes[family].some(prefix => {
    const network = maskNetwork(flow.address, wirePrefix(family, prefix))
    return services.some(service => doors.has(doorKey({ service, network })))
  })
}

const sharing = (zone: Zone, port: Port): string[] =>
  zone.services.filter(({ ports }) => hasPort(ports, port)).map(({ name }) => name)

const openingsOf = (doors: ReadonlyMap<string, ReadonlyMap<string, Opening>>): Opening[] =>
  [...doors.values()].flatMap(door => [...door.values()])

const placesIn = (zones: readonly Zone[]): Map<string, Place> =>
  new Map(zones.flatMap(zone => zone.services.map(service => [service.name, { zone, service }])))

/** The kernel's end, unless it is ours but for its rounding, or a later one that others need. */
const asTold = (opening: Opening, until: number): Opening =>
  until > opening.until - KERNEL_TOLERANCE ? opening : { ...opening, until }

const samePlace = (a: Place, b: Place): boolean =>
  a.service.ports.length === b.service.ports.length &&
  a.service.ports.every((port, i) => samePort(port, b.service.ports[i]!)) &&
  a.zone.destination.length === b.zone.destination.length &&
  a.zone.destination.every((network, i) => sameNetwork(network, b.zone.destination[i]!)) &&
  sameLeads(a.zone.leads.map(describeLead), b.zone.leads.map(describeLead))
