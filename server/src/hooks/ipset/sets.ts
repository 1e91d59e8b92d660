import { type Family, familyOf, formatNetwork, type Network } from '@oneknock/shared'
import type { Port } from '../../core/directory.ts'
import {
  CUT_MS,
  type Flow,
  type FlowElement,
  hasEnded,
  type OpenElement,
  TCP_FLOW_MS,
  UDP_FLOW_MS,
} from '../guard/flows.ts'
import type { Guard } from '../guard/kernel.ts'
import { portsOf, type Zone } from '../guard/zones.ts'
import { cutSet, liveSet, meterSet, newSet, openSet, trialSet } from './names.ts'

/*
 * Lines for `ipset -exist restore`, which bear to be given twice. The kernel counts in seconds.
 */

export const FAMILIES: readonly Family[] = [4, 6]
const INET = { 4: 'inet', 6: 'inet6' } as const

/** Doors for a zone and family at most. */
const OPEN_MAX = 262_144
/**
 * Flows remembered for a port and family at most. What finds no room passes while its door is open,
 * and hangs when that ends.
 */
const LIVE_MAX = 65_536
/** A set does not grow for what packets put into it: 8 bytes for each of these, from the start. */
const LIVE_BUCKETS = 4_096

/** Sources that are metered at once; a spoofed flood fills this with ease, and then nobody new is. */
const METER_MAX = 2_048
const METER_SECONDS = 10
/** A good device sends a few packets for a knock; this is for floods. */
const METER_RATE = 1_000
export const METER_PACKETS = METER_RATE * METER_SECONDS
/** What one household has: to meter single addresses would meter nothing in IPv6. */
const METER_NETMASK = { 4: '', 6: ' netmask 64' } as const

/** The longest that a set can count: 24 days, so what lasts longer ends early. */
const LONGEST_SECONDS = 2_147_483
const PORT_MAX = 65_535

/**
 * Stays in each set, so that one without it has been flushed. No packet comes from there: the kernel
 * takes none from a broadcast or multicast address.
 */
const SENTINEL = { 4: '255.255.255.255,udp:1', 6: 'ff02::1,udp:1' } as const

/** A set by its name, and how to make it. */
export interface SetDefinition {
  readonly name: string
  readonly type: string
  readonly sentinel?: string
}

/** All sets of a guard. */
export const setsOf = ({ zones, spaPorts }: Guard, onTrial: boolean): SetDefinition[] => [
  ...FAMILIES.flatMap(family => [
    ...zones.flatMap(zone => zoneSets(zone, family)),
    ...(spaPorts.length > 0 ? [meterDefinition(family)] : []),
  ]),
  ...(onTrial ? trialDefinitions(zones) : []),
]

const zoneSets = (zone: Zone, family: Family): SetDefinition[] => [
  openDefinition(openSet(zone.name, family), family),
  ...zone.ports.flatMap(port => [
    flowDefinition(
      liveSet(zone.name, family, port),
      family,
      port.protocol === 'tcp' ? TCP_FLOW_MS : UDP_FLOW_MS,
    ),
    flowDefinition(cutSet(zone.name, family, port), family, CUT_MS),
  ]),
]

const openDefinition = (name: string, family: Family): SetDefinition => ({
  name,
  type: `hash:net,port family ${INET[family]} maxelem ${OPEN_MAX} timeout 0`,
  sentinel: SENTINEL[family],
})

const flowDefinition = (name: string, family: Family, ms: number): SetDefinition => ({
  name,
  type: `hash:ip,port family ${INET[family]} hashsize ${LIVE_BUCKETS} maxelem ${LIVE_MAX} timeout ${seconds(ms)}`,
  sentinel: SENTINEL[family],
})

const meterDefinition = (family: Family): SetDefinition => ({
  name: meterSet(family),
  type: `hash:ip family ${INET[family]} hashsize ${METER_MAX} maxelem ${METER_MAX}${METER_NETMASK[family]} timeout ${METER_SECONDS} counters`,
})

/** Half a megabyte each, so only for a trial. */
const trialDefinitions = (zones: readonly Zone[]): SetDefinition[] =>
  [...new Set(portsOf(zones).map(trialSet))].map(name => ({
    name,
    type: `bitmap:port range 0-${PORT_MAX} timeout 0`,
  }))

export const createLine = ({ name, type }: SetDefinition): string => `create ${name} ${type}`

export const sentinelLine = ({ name, sentinel }: SetDefinition): string[] =>
  sentinel === undefined ? [] : [`add ${name} ${sentinel} timeout 0`]

/** Opens what is to be open and nothing else, at one stroke for each set. */
export function swapLines(zones: readonly Zone[], open: readonly OpenElement[]): string[] {
  return zones.flatMap(({ name: zone }) =>
    FAMILIES.flatMap(family => {
      const [fresh, set] = [openDefinition(newSet(family), family), openSet(zone, family)]
      const elements = open.filter(
        element => element.zone === zone && familyOf(element.network.address) === family,
      )
      return [
        createLine(fresh),
        `flush ${fresh.name}`,
        ...sentinelLine(fresh),
        ...elements.flatMap(element =>
          hasEnded(element.remaining) ? [] : [add(fresh.name, element)],
        ),
        `swap ${fresh.name} ${set}`,
        `destroy ${fresh.name}`,
      ]
    }),
  )
}

export function openLine(element: OpenElement): string {
  const set = openSet(element.zone, familyOf(element.network.address))
  return hasEnded(element.remaining) ? `del ${set} ${openKey(element)}` : add(set, element)
}

const add = (set: string, element: OpenElement): string =>
  `add ${set} ${openKey(element)} timeout ${seconds(element.remaining)}`

const openKey = ({ network, port }: { network: Network; port: Port }): string =>
  `${formatNetwork(network)},${port.protocol}:${port.port}`

export const liveLine = (element: FlowElement): string[] => flowLine(liveSet, element)

export const cutLine = (element: FlowElement): string[] => flowLine(cutSet, element)

function flowLine(setOf: typeof liveSet, { zone, flow, remaining }: FlowElement): string[] {
  if (hasEnded(remaining)) return []
  const set = setOf(zone, familyOf(flow.address), flow)
  return [`add ${set} ${flowKey(flow)} timeout ${seconds(remaining)}`]
}

/**
 * Ends a flow. It counts as cut before it is live no more: between the two a packet would bring it
 * back (see `rules`).
 */
export function cutLines(zone: Zone, flow: Flow): string[] {
  const family = familyOf(flow.address)
  return [
    `add ${cutSet(zone.name, family, flow)} ${flowKey(flow)}`,
    `del ${liveSet(zone.name, family, flow)} ${flowKey(flow)}`,
  ]
}

const flowKey = ({ address, protocol, peerPort }: Flow): string =>
  `${address},${protocol}:${peerPort}`

/** A trial that is over guards nothing. */
export const trialLines = (zones: readonly Zone[], remaining: number): string[] => [
  ...trialDefinitions(zones).map(({ name }) => `flush ${name}`),
  ...(hasEnded(remaining)
    ? []
    : portsOf(zones).map(
        port => `add ${trialSet(port)} ${port.port} timeout ${seconds(remaining)}`,
      )),
]

/** Never earlier than was said; what lasts longer than a set can count ends early. */
const seconds = (ms: number): number => Math.min(Math.ceil(ms / 1000), LONGEST_SECONDS)
