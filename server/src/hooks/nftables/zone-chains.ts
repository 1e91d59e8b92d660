import type { Family } from '@oneknock/shared'
import { CUT_MS, TCP_FLOW_MS, UDP_FLOW_MS } from '../guard/flows.ts'
import {
  endsWithGrant,
  keptPorts,
  leadsIn,
  remembersCuts,
  SINGLE,
  type Zone,
} from '../guard/zones.ts'
import { cutSetName, liveSetName, openSetName, TABLE } from './elements.ts'
import { backRules, leadChains, leadRules } from './leads.ts'
import { stillChain, stillRules } from './still-chains.ts'
import {
  addressIn,
  chain,
  inward,
  masked,
  note,
  outward,
  portIn,
  SIDES,
  type Side,
  set,
} from './text.ts'

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
      ...(remembersCuts(zone) ? [cut] : []),
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
      ...leadChains(zone, side, prefixesInUse(zone, side.family, declared)),
    ]),
    ...chain(zone.name, [`meta nfproto vmap { ${byFamily.join(', ')} }`]),
    ...chain(`${zone.name}_own`, ownRules(zone)),
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
    ...[...leadRules(zone, side, prefix), ...stillRules(zone, side, prefix)].map(
      ([chain, rule]) => `${chain} ${rule}`,
    ),
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
    `${match} ${inward(ip)} @${live} ${note('update', live, inward(ip), timeout)} accept`
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

const openChain = (zone: Zone, { family }: Side): string => `${zone.name}_open${family}`

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

/**
 * A door is open: the flow is remembered, so that it outlives the grant, unless it must not. If
 * there is no room to remember it, it passes all the same: hence rules of their own.
 */
function admitChain(zone: Zone, { family, ip }: Side): string[] {
  if (endsWithGrant(zone)) {
    const remember = (ms: number) => note('update', liveSetName(zone.name, family), inward(ip), ms)
    return chain(`${zone.name}_admit${family}`, [
      `meta l4proto tcp ${remember(TCP_FLOW_MS)}`,
      `meta l4proto udp ${remember(UDP_FLOW_MS)}`,
      'accept',
    ])
  }
  const neverOutlives = zone.cutPorts.length > 0 ? [`${portIn('dport', zone.cutPorts)} accept`] : []
  return chain(`${zone.name}_admit${family}`, [
    ...neverOutlives,
    // Until its second packet, a TCP flow may be a handshake that comes to nothing.
    note('add', liveSetName(zone.name, family), inward(ip), UDP_FLOW_MS),
    'accept',
  ])
}

/**
 * What this host, or a container behind it, begins from a guarded port has its answers let in. Not
 * by `ct direction reply`: conntrack takes up a flow in its middle, so one that was cut would
 * revive with the server's next packet; and it would be switched on for the whole host. TCP says
 * who begins. UDP does not: what was cut stays out until the server has let it be for an hour, or
 * a door opens for it again. A port that is to be cut hears nobody without a grant, whoever spoke
 * first.
 *
 * A TCP server whose socket is not this host's, so that nobody could reset it, goes on as well: for
 * a window's worth of data, and then with that again and again. A reset itself may leave.
 */
function ownRules(zone: Zone): string[] {
  const [kept, keptTcp] = [keptPorts(zone, 'udp'), keptPorts(zone, 'tcp')]
  const own = SIDES.flatMap(({ family, ip }) => {
    const [live, cut] = [liveSetName(zone.name, family), cutSetName(zone.name, family)]
    const flow = outward(ip)
    const remember = note('update', live, flow, UDP_FLOW_MS)
    const udp = [
      `${portIn('sport', kept)} ${flow} @${live} ${remember} accept`,
      `${portIn('sport', kept)} ${flow} @${cut} ${note('update', cut, flow, CUT_MS)} drop`,
      `${portIn('sport', kept)} ${remember}`,
    ]
    const tcp = `${portIn('sport', keptTcp)} tcp flags & rst != rst ${flow} @${cut} ${flow} != @${live} drop`
    return [
      `tcp flags & (syn | ack) == syn ${remember}`,
      ...(keptTcp.length > 0 ? [tcp] : []),
      ...(kept.length > 0 ? udp : []),
    ]
  })
  return [...backRules(zone), ...own]
}
