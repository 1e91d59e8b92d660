import { containsNetwork, familyOf, familyPrefix, maskNetwork, wirePrefix } from '@oneknock/shared'
import type { Port, Service } from '../../core/directory.ts'
import { type Opening, openingKey } from '../../core/openings.ts'
import type { Flow, OpenElement } from './elements.ts'
import { hasPort, type Zone } from './zones.ts'

/** Milliseconds by which the kernel's end of an element may differ from what it was told: it counts in jiffies. */
const KERNEL_TOLERANCE = 1_000

export interface Place {
  readonly zone: Zone
  readonly service: Service
}

/**
 * What is to be open, and what that means for the elements of the table. Services may share a port,
 * so an element lasts as long as any opening needs it.
 */
export class Held {
  readonly #openings = new Map<string, Opening>()
  #places = new Map<string, Place>()

  constructor(zones: readonly Zone[]) {
    this.rezone(zones)
  }

  /** Another configuration: what nobody guards any more is not held either. */
  rezone(zones: readonly Zone[]): void {
    this.#places = new Map(
      zones.flatMap(zone => zone.services.map(service => [service.name, { zone, service }])),
    )
    for (const [key, opening] of this.#openings) if (!this.fits(opening)) this.#openings.delete(key)
  }

  get size(): number {
    return this.#openings.size
  }

  place(service: string): Place | undefined {
    return this.#places.get(service)
  }

  /** Whether the table has a set for it. */
  fits({ service, network }: Opening): boolean {
    const prefixes = this.#places.get(service)?.zone.prefixes[familyOf(network.address)]
    return prefixes?.includes(familyPrefix(network)) ?? false
  }

  get(opening: Opening): Opening | undefined {
    return this.#openings.get(openingKey(opening))
  }

  put(opening: Opening): void {
    this.#openings.set(openingKey(opening), opening)
  }

  remove(opening: Opening): void {
    this.#openings.delete(openingKey(opening))
  }

  keys(): ReadonlySet<string> {
    return new Set(this.#openings.keys())
  }

  /** Forgets what has ended and was never closed. */
  prune(now: number): void {
    for (const [key, { until }] of this.#openings) if (until < now) this.#openings.delete(key)
  }

  /** How the elements of this opening's ports should stand, whether it is held or not. */
  elementsOf({ service, network }: Opening, now: number): OpenElement[] {
    const place = this.#places.get(service)
    if (!place) return []
    const { zone } = place
    return place.service.ports.map(port => {
      const ends = zone.services
        .filter(({ ports }) => hasPort(ports, port))
        .map(({ name }) => this.#openings.get(openingKey({ service: name, network }))?.until ?? 0)
      return { zone: zone.name, network, port, remaining: Math.max(...ends) - now }
    })
  }

  elements(now: number): OpenElement[] {
    return [...this.#openings.values()].flatMap(opening => this.elementsOf(opening, now))
  }

  /** Other openings that admit some of the same peers to this port. */
  rivals(opening: Opening, port: Port): Opening[] {
    const { zone } = this.#places.get(opening.service)!
    const names = new Set(
      zone.services.filter(({ ports }) => hasPort(ports, port)).map(({ name }) => name),
    )
    const own = openingKey(opening)
    return [...this.#openings.values()].filter(
      other =>
        names.has(other.service) &&
        openingKey(other) !== own &&
        (containsNetwork(other.network, opening.network) ||
          containsNetwork(opening.network, other.network)),
    )
  }

  /**
   * The openings that these elements, read from the table, amount to. One that is not held counts
   * if all its ports are there and no held one explains them.
   */
  recognise(elements: readonly OpenElement[], now: number): Opening[] {
    const found = new Map<string, { opening: Opening; elements: OpenElement[] }>()
    for (const element of elements) {
      for (const { zone, service } of this.#places.values()) {
        if (zone.name !== element.zone || !hasPort(service.ports, element.port)) continue
        const opening = { service: service.name, network: element.network, until: 0 }
        const key = openingKey(opening)
        const entry = found.get(key) ?? { opening, elements: [] as OpenElement[] }
        entry.elements.push(element)
        found.set(key, entry)
      }
    }
    return [...found.values()].flatMap(({ opening, elements }) => {
      const held = this.get(opening)
      const { ports } = this.#places.get(opening.service)!.service
      if (elements.length < ports.length) return []
      if (!held && elements.every(element => this.#explains(element))) return []
      const until = now + Math.min(...elements.map(({ remaining }) => remaining))
      const asTold = held && until > held.until - KERNEL_TOLERANCE
      return [{ ...opening, until: asTold ? held.until : until }]
    })
  }

  #explains({ zone, network, port }: OpenElement): boolean {
    return [...this.#places.values()].some(
      place =>
        place.zone.name === zone &&
        hasPort(place.service.ports, port) &&
        this.#openings.has(openingKey({ service: place.service.name, network })),
    )
  }
}

/** Whether one of these openings, given by their keys, admits this flow into the zone. */
export function admits(keys: ReadonlySet<string>, zone: Zone, flow: Flow): boolean {
  const family = familyOf(flow.address)
  const services = zone.services.filter(({ ports }) => hasPort(ports, flow))
  return zone.prefixes[family].some(prefix => {
    const network = maskNetwork(flow.address, wirePrefix(family, prefix))
    return services.some(({ name }) => keys.has(openingKey({ service: name, network })))
  })
}
