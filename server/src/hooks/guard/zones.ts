import { type Family, type Network, wirePrefix } from '@oneknock/shared'
import type { Port, Protocol, Service } from '../../core/directory.ts'
import { type Lead, leadsOf } from '../../core/forwards.ts'

/**
 * Ports that are guarded together: this host's own, or those of one service that lies behind it.
 * What is open in one zone says nothing about another: whoever may reach the NAS's ssh through
 * this router may not therefore reach the router's.
 */
export interface Zone {
  /** Names of sets and chains begin with it. Service names hold no `_`, so none is ambiguous. */
  readonly name: string
  /** Empty: this host itself. */
  readonly destination: readonly Network[]
  /** Where its ports lead to, if that is not this host: then it is the zone of one service. */
  readonly leads: readonly Lead[]
  readonly masquerade: boolean
  readonly services: readonly Service[]
  readonly ports: readonly Port[]
  /** Ports that only services with `on_expiry = "cut"` open: their flows never outlive a grant. */
  readonly cutPorts: readonly Port[]
  /** The lengths that policy allows, in the family's own terms, longest first. */
  readonly prefixes: Readonly<Record<Family, readonly number[]>>
}

/** A prefix that is one address. */
export const SINGLE = { 4: 32, 6: 128 } as const
/** The same as it counts on the wire, of either family. */
export const ONE_ADDRESS = wirePrefix(6, SINGLE[6])

export function zonesOf(services: readonly Service[]): Zone[] {
  const guarded = services.filter(service => service.ports.length > 0)
  const led = guarded.filter(service => service.forward)
  const here = guarded.filter(service => service.destination.length === 0 && !service.forward)
  const elsewhere = guarded.filter(service => service.destination.length > 0)
  return [
    ...(here.length > 0 ? [zone('host', [], here)] : []),
    ...elsewhere.map(service => zone(`to_${service.name}`, service.destination, [service])),
    ...led.map(service => ({
      ...zone(`via_${service.name}`, [], [service]),
      leads: leadsOf(service),
      masquerade: service.forward?.masquerade ?? false,
    })),
  ]
}

export const samePort = (a: Port, b: Port): boolean =>
  a.port === b.port && a.protocol === b.protocol

export const hasPort = (ports: readonly Port[], port: Port): boolean =>
  ports.some(other => samePort(other, port))

/** All ports that are guarded somewhere. */
export const portsOf = (zones: readonly Zone[]): Port[] =>
  distinct(zones.flatMap(({ ports }) => ports))

/** Ports whose flows outlive a grant. */
export const keptPorts = ({ ports, cutPorts }: Zone, protocol?: Protocol): Port[] =>
  ports.filter(
    port => !hasPort(cutPorts, port) && (protocol === undefined || port.protocol === protocol),
  )

/**
 * Whether its ports lead elsewhere and its flows never outlive a grant. Then `live` lets nobody in:
 * it is how it is known, when the time comes, whose flows are to be cut.
 */
export const endsWithGrant = ({ leads, cutPorts }: Zone): boolean =>
  leads.length > 0 && cutPorts.length > 0

/** Whether its sockets are this host's. */
export const isHere = ({ destination, leads }: Zone): boolean =>
  destination.length === 0 && leads.length === 0

export const leadsIn = ({ leads }: Zone, family: Family): Lead[] =>
  leads.filter(lead => lead.family === family)

function zone(name: string, destination: readonly Network[], services: readonly Service[]): Zone {
  const ports = distinct(services.flatMap(service => service.ports))
  const kept = services.filter(service => service.onExpiry === 'keep')
  return {
    name,
    destination,
    leads: [],
    masquerade: false,
    services,
    ports,
    cutPorts: ports.filter(port => !kept.some(service => hasPort(service.ports, port))),
    prefixes: {
      4: lengths(
        32,
        services.map(service => service.maxPrefix.ipv4 - wirePrefix(4, 0)),
      ),
      6: lengths(
        128,
        services.map(service => service.maxPrefix.ipv6),
      ),
    },
  }
}

const distinct = (ports: readonly Port[]): Port[] =>
  ports.filter((port, i) => ports.findIndex(other => samePort(other, port)) === i)

function lengths(longest: number, shortest: readonly number[]): number[] {
  const count = longest - Math.min(...shortest) + 1
  return Array.from({ length: count }, (_, i) => longest - i)
}
