import {
  contains,
  type Family,
  familyOf,
  formatNetwork,
  maskNetwork,
  type Network,
} from '@oneknock/shared'
import type { Port } from '../../core/directory.ts'
import type { Flow } from './flows.ts'
import { samePort, type Zone } from './zones.ts'

/** Whose flows are to end. */
export interface Cut {
  readonly zone: Zone
  readonly network: Network
  readonly ports: readonly CutPort[]
}

export interface CutPort {
  readonly port: Port
  /** Peers that another opening admits to this port: whose flows they are cannot be told. */
  readonly except: readonly Network[]
}

/** Cuts that are carried out together, found by whom they are for: thousands may end at once. */
export class Cuts {
  readonly list: readonly Cut[]
  /** By zone and network. */
  readonly #places = new Map<string, Cut[]>()
  /** The lengths of their networks, as they count on the wire. */
  readonly #lengths: Readonly<Record<Family, Set<number>>> = { 4: new Set(), 6: new Set() }

  constructor(list: readonly Cut[]) {
    this.list = list
    for (const cut of list) {
      const { zone, network } = cut
      const place = placeOf(zone.name, network)
      this.#lengths[familyOf(network.address)].add(network.prefix)
      const others = this.#places.get(place)
      if (others) others.push(cut)
      else this.#places.set(place, [cut])
    }
  }

  /** One that ends this flow. */
  find(zone: string, flow: Flow): Cut | undefined {
    for (const length of this.#lengths[familyOf(flow.address)]) {
      const place = placeOf(zone, maskNetwork(flow.address, length))
      const cut = this.#places.get(place)?.find(({ ports }) => ends(ports, flow))
      if (cut) return cut
    }
    return undefined
  }
}

const placeOf = (zone: string, network: Network): string => `${zone} ${formatNetwork(network)}`

const ends = (ports: readonly CutPort[], flow: Flow): boolean =>
  ports.some(
    ({ port, except }) =>
      samePort(port, flow) && !except.some(other => contains(other, flow.address)),
  )
