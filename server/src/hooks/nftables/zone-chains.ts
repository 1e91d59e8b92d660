import type { Family } from '@oneknock/shared'
import { CUT_MS, TCP_FLOW_MS, UDP_FLOW_MS } from '../guard/flows.ts'
import { endsWithGrant, leadsIn, SINGLE, type Zone } from '../guard/zones.ts'
import {
  admitRules,
  beginRules,
  goingChain,
  goingChains,
  openChain,
  stillOpenRules,
} from './cut-chains.ts'
import { cutSetName, liveSetName, openSetName, TABLE } from './elements.ts'
import { backRules, leadChains, leadRules } from './leads.ts'
import { stillChain, stillRules } from './still-chains.ts'
import { addressIn, chain, inward, masked, note, portIn, SIDES, type Side, set } from './text.ts'

/**
 * Flows remembered for a zone and family at most; about 100 bytes each, taken only when needed.
 * What finds no room passes while its door is open, and hangs when that ends.
 */
const LIVE_MAX = 262_144

/** `declared`: the names of the sets for prefixes that are in use. */
export function zoneSets(zone: Zone, declared: ReadonlySet<string>): string[] {
  return SIDES.flatMap(side => {
    const { family } = side
    const flow = `${side.type} . inet_proto . inet_service . inet_service`
    const cut = set(cutSetName(zone.name, family), flow, { size: LIVE_MAX, timeout: CUT_MS })
    return [
      ...prefixesInUse(zone, family, declared).map(prefix => openSetIn(zone, side, prefix)),
      set(liveSetName(zone.name, family), flow, { size: LIVE_MAX, timeout: TCP_FLOW_MS }),
      cut,
    ]
  })
}

export function zoneChains(zone: Zone, declared: ReadonlySet<string>): string[] {
  const byFamily = SIDES.map(({ proto, family }) => `${proto} : goto ${zone.name}${family}`)
  return [
    ...SIDES.flatMap(side => [
      ...admitChain(zone, side),
      ...chain(
        openChain(zone, side),
        prefixesInUse(zone, side.family, declared).map(prefix => openRule(zone, side, prefix)),
      ),
      ...familyChain(zone, side),
      ...(endsWithGrant(zone)
        ? []
        : goingChains(zone, side, prefixesInUse(zone, side.family, declared))),
      ...leadChains(zone, side, prefixesInUse(zone, side.family, declared)),
    ]),
    ...chain(zone.name, [`meta nfproto vmap { ${byFamily.join(', ')} }`]),
    ...chain(`${zone.name}_own`, [...backRules(zone), ...beginRules(zone)]),
    ...stillChain(zone, ({ family }) => prefixesInUse(zone, family, declared)),
  ]
}

/**
 * Brings a prefix length into use. Policy may allow 65 of them for IPv6: as sets and rules from the
 * start they would slow every stranger's packet and every look at the table.
 */
export function declareCommand(zone: Zone, family: Family, prefix: number): string {
  const side = SIDES.find(other => other.family === family)!
  const rules = [
    `${openChain(zone, side)} ${openRule(zone, side, prefix)}`,
    ...[
      ...(endsWithGrant(zone) ? [] : stillOpenRules(zone, side, prefix)),
      ...leadRules(zone, side, prefix),
      ...stillRules(zone, side, prefix),
    ].map(([chain, rule]) => `${chain} ${rule}`),
  ]
  const adding = rules.map(rule => `add rule ${TABLE} ${rule}`).join('; ')
  return `add ${openSetIn(zone, side, prefix, `${TABLE} `)}; ${adding}`
}

/**
 * Matches packets for this zone's addresses, or from them. Broadcast, multicast and anycast reach
 * this host's sockets too: what is not plainly somebody else's is ours.
 */
export function zoneAddress({ destination }: Zone, field: 'daddr' | 'saddr'): string[] {
  if (destination.length > 0) return addressIn(field, destination)
  return [field === 'daddr' ? 'fib daddr type != unicast' : 'fib saddr type local']
}

/** Lets a packet of this family in that has a right to it, and returns for any other. */
function familyChain(zone: Zone, side: Side): string[] {
  const { family, ip } = side
  // What leads elsewhere leads to nothing here: a grant for it must not open a port of this host.
  if (zone.leads.length > 0 && leadsIn(zone, family).length === 0) {
    return chain(`${zone.name}${family}`, ['drop'])
  }
  const live = liveSetName(zone.name, family)
  const passesIfLive = (match: string, timeout: number) =>
    `${match} ${inward(ip)} @${live} ${note('update', live, inward(ip), timeout)} goto ${goingChain(zone, side)}`
  const passing = [
    // A new connection is never an old flow, or whoever was in once could come back by his port.
    passesIfLive('tcp flags & (syn | ack) != syn', TCP_FLOW_MS),
    passesIfLive('meta l4proto udp', UDP_FLOW_MS),
  ]
  return chain(`${zone.name}${family}`, [
    ...(endsWithGrant(zone) ? [] : passing),
    `goto ${openChain(zone, side)}`,
  ])
}

const openSetIn = (zone: Zone, { family, type }: Side, prefix: number, table = ''): string =>
  set(table + openSetName(zone.name, family, prefix), `${type} . inet_proto . inet_service`)

function openRule(zone: Zone, side: Side, prefix: number): string {
  const key = `${masked(side, prefix)} . meta l4proto . th dport`
  const opened = `@${openSetName(zone.name, side.family, prefix)}`
  return `${key} ${opened} goto ${zone.name}_admit${side.family}`
}

/** Single addresses always: nearly every door opens for one. */
const prefixesInUse = (zone: Zone, family: Family, declared: ReadonlySet<string>): number[] =>
  zone.prefixes[family].filter(
    prefix => prefix === SINGLE[family] || declared.has(openSetName(zone.name, family, prefix)),
  )

/** A door is open: the flow is remembered, so that it outlives the grant, unless it must not. */
function admitChain(zone: Zone, side: Side): string[] {
  const { family, ip } = side
  if (endsWithGrant(zone)) {
    const remember = (ms: number) => note('update', liveSetName(zone.name, family), inward(ip), ms)
    return chain(`${zone.name}_admit${family}`, [
      `meta l4proto tcp ${remember(TCP_FLOW_MS)}`,
      `meta l4proto udp ${remember(UDP_FLOW_MS)}`,
      'accept',
    ])
  }
  const neverOutlives = zone.cutPorts.length > 0 ? [`${portIn('dport', zone.cutPorts)} accept`] : []
  return chain(`${zone.name}_admit${family}`, [...neverOutlives, ...admitRules(zone, side)])
}
