import { contains } from '@oneknock/shared'
import type { Port } from '../../core/directory.ts'
import { describeLead, sameLeads } from '../../core/forwards.ts'
import { type FlowElement, TCP_FLOW_MS, UDP_FLOW_MS } from './flows.ts'
import type { Listing } from './kernel.ts'
import type { SeenFlow } from './sockets.ts'
import { hasPort, type Zone } from './zones.ts'

/** The flows to a zone's guarded ports, as the set `live` would hold them, for those that are wanted. */
export function seeds(
  seen: readonly SeenFlow[],
  zones: readonly Zone[],
  wanted: (zone: Zone, flow: SeenFlow['flow']) => boolean,
): FlowElement[] {
  return zones.flatMap(zone =>
    seen
      .filter(({ flow }) => hasPort(zone.ports, flow))
      .filter(({ to, here }) =>
        zone.destination.length === 0
          ? here
          : zone.destination.some(network => contains(network, to)),
      )
      .filter(({ flow }) => wanted(zone, flow))
      .map(({ flow }) => ({
        zone: zone.name,
        flow,
        remaining: flow.protocol === 'tcp' ? TCP_FLOW_MS : UDP_FLOW_MS,
      })),
  )
}

/** What may go on when another table takes the place of the one that was read. */
export const carried = (live: readonly FlowElement[], zones: readonly Zone[]): FlowElement[] =>
  live.filter(({ zone: name, flow }) =>
    zones.some(zone => zone.name === name && hasPort(zone.ports, flow)),
  )

/** What must not: under all names, for the ports of this host and for those that they lead to. */
export const carriedCuts = (cut: readonly FlowElement[], zones: readonly Zone[]): FlowElement[] =>
  cut.filter(({ zone: name, flow }) =>
    zones.some(zone => zone.name === name && hasPort(allPorts(zone), flow)),
  )

const allPorts = ({ ports, leads }: Zone): Port[] => [
  ...ports,
  ...leads.map(({ port: { protocol }, to }) => ({ protocol, port: to.port })),
]

/** Zones that lead where they led before: what goes on through others would lead astray. */
export const leadingAsBefore = (zones: readonly Zone[], before: Listing): Zone[] =>
  zones.filter(({ name, leads }) => {
    const old = before.leads?.get(name)
    return old === undefined || sameLeads(old, leads.map(describeLead))
  })

/** Before a port was guarded nobody judged who may talk to it, so whoever does goes on. */
export const newlyGuarded =
  (before: Listing | undefined) =>
  (zone: Zone, port: Port): boolean =>
    !hasPort(before?.guarded.get(zone.name) ?? [], port)
