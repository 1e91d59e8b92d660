import { type Family, familyOf, formatNetwork, type Network } from '@oneknock/shared'
import type { Port, Protocol } from '../../core/directory.ts'
import { UDP_FLOW_MS } from '../guard/flows.ts'
import type { Guard } from '../guard/kernel.ts'
import { hasPort, type Zone } from '../guard/zones.ts'
import {
  cutSet,
  IN,
  liveSet,
  OUT,
  openSet,
  ownChain,
  portChain,
  trialSet,
  zoneChain,
} from './names.ts'

/** A chain of ours and its rules, as iptables takes them. */
export interface Chain {
  readonly name: string
  readonly rules: readonly string[]
}

/** What one table of one family should hold. */
export interface Table {
  readonly name: 'mangle' | 'raw'
  /** From the kernel's own chains. */
  readonly jumps: readonly { readonly from: string; readonly to: string }[]
  readonly chains: readonly Chain[]
}

/** Ports that `multiport` takes in one rule. */
const MULTIPORT_MAX = 15
const FLOW_SECONDS = UDP_FLOW_MS / 1000

/**
 * The guard, in `mangle`: before DNAT, so that the port is the one that was asked for, published or
 * not. What may pass goes on behind our jump, to the rules of others: we go by `-g` only, so that
 * the end of any chain of ours leads back there, and an ACCEPT, which would pass them by, is never
 * said. Of two zones that hold the same address the first judges: hosts that are named, then this.
 */
export function mangleTable({ zones, allow }: Guard, family: Family, onTrial: boolean): Table {
  if (zones.length === 0) return { name: 'mangle', jumps: [], chains: [] }
  const named = [...zones].sort((a, b) => b.destination.length - a.destination.length)
  return {
    name: 'mangle',
    jumps: [
      { from: 'PREROUTING', to: IN },
      { from: 'POSTROUTING', to: OUT },
    ],
    chains: [
      {
        name: IN,
        rules: [
          '-i lo -j RETURN',
          ...(onTrial ? trialRules(zones) : []),
          ...named.flatMap(zone => zoneRules(zone, family)),
        ],
      },
      { name: OUT, rules: ['-o lo -j RETURN', ...named.flatMap(zone => outRules(zone, family))] },
      ...named.flatMap(zone => [
        { name: zoneChain(zone.name), rules: [...allowRules(allow, family), ...portRules(zone)] },
        ...zone.ports.map(port => ({
          name: portChain(zone.name, port),
          rules: judgeRules(zone, family, port),
        })),
        ...zone.ports.map(port => ({
          name: ownChain(zone.name, port),
          rules: [
            ...(onTrial ? [`-m set ! --match-set ${trialSet(port)} src -j RETURN`] : []),
            ...inFamily(allow, family).map(network => `-d ${network} -j RETURN`),
            ...(hasPort(zone.cutPorts, port)
              ? stillRules(zone, family, port)
              : keptRules(zone, family, port)),
          ],
        })),
      ]),
    ],
  }
}

/** What is no longer on trial passes. */
const trialRules = (zones: readonly Zone[]): string[] =>
  protocolsOf(zones.flatMap(({ ports }) => ports)).map(
    protocol => `-p ${protocol} -m set ! --match-set ${trialSet({ protocol })} dst -j RETURN`,
  )

const protocolsOf = (ports: readonly Port[]): Protocol[] => [
  ...new Set(ports.map(({ protocol }) => protocol)),
]

/** Leads what is for this zone's ports and addresses to its chain. */
const zoneRules = (zone: Zone, family: Family): string[] =>
  protocolsOf(zone.ports).flatMap(protocol =>
    chunks(zone.ports.filter(port => port.protocol === protocol)).flatMap(ports =>
      addressedTo(zone, family).map(
        match =>
          `-p ${protocol} -m multiport --dports ${ports.map(({ port }) => port).join(',')} ${match} -g ${zoneChain(zone.name)}`,
      ),
    ),
  )

const chunks = (ports: readonly Port[]): Port[][] =>
  Array.from({ length: Math.ceil(ports.length / MULTIPORT_MAX) }, (_, i) =>
    ports.slice(i * MULTIPORT_MAX, (i + 1) * MULTIPORT_MAX),
  )

/**
 * Broadcast, multicast and anycast reach this host's sockets too: what is not plainly somebody
 * else's is ours. For IPv6 `UNICAST` holds our own as well, and a link-local address is found only
 * with its interface; but nobody forwards those.
 */
const TO_HERE = {
  4: ['-m addrtype ! --dst-type UNICAST'],
  6: ['-m addrtype --dst-type LOCAL,ANYCAST', '-m addrtype --dst-type MULTICAST', '-d fe80::/10'],
} as const
const FROM_HERE = {
  4: ['-m addrtype --src-type LOCAL'],
  6: ['-m addrtype --src-type LOCAL', '-s fe80::/10'],
} as const
/** The opposite, in one rule. */
export const TO_OTHERS = {
  4: '-m addrtype --dst-type UNICAST',
  6: '! -d fe80::/10 -m addrtype ! --dst-type LOCAL,ANYCAST -m addrtype ! --dst-type MULTICAST',
} as const

const addressedTo = ({ destination }: Zone, family: Family): readonly string[] =>
  destination.length > 0 ? inFamily(destination, family).map(net => `-d ${net}`) : TO_HERE[family]

const addressedFrom = ({ destination }: Zone, family: Family): readonly string[] =>
  destination.length > 0 ? inFamily(destination, family).map(net => `-s ${net}`) : FROM_HERE[family]

const inFamily = (networks: readonly Network[], family: Family): string[] =>
  networks.filter(({ address }) => familyOf(address) === family).map(formatNetwork)

const allowRules = (allow: readonly Network[], family: Family): string[] =>
  inFamily(allow, family).map(network => `-s ${network} -j RETURN`)

const portRules = (zone: Zone): string[] =>
  zone.ports.map(
    port => `-p ${port.protocol} --dport ${port.port} -g ${portChain(zone.name, port)}`,
  )

/** A new connection is never an old flow, or whoever was in once could come back by his port. */
const NOT_NEW = { tcp: '-p tcp ! --tcp-flags SYN,ACK SYN ', udp: '' } as const

/**
 * Lets a packet in that has a right to it, by the flow or by an open door, and drops any other. What
 * was cut outweighs what is live, here and on the way out: see the nftables guard (`cut-chains.ts`).
 * Sets do not change together here: a packet whose door was open a moment ago could take its flow out
 * of `cut` if it stood still between two rules for as long as three programs take.
 */
function judgeRules(zone: Zone, family: Family, port: Port): string[] {
  const live = liveSet(zone.name, family, port)
  const isLive = `${NOT_NEW[port.protocol]}-m set --match-set ${live} src,src`
  const cut = cutSet(zone.name, family, port)
  const isOpen = `-m set --match-set ${openSet(zone.name, family)} src,dst`
  const remembered = [
    // Until its second packet, a TCP flow may be a handshake that comes to nothing.
    `${isOpen} -j SET --add-set ${live} src,src --timeout ${FLOW_SECONDS}`,
    `${isOpen} -j SET --del-set ${cut} src,src`,
  ]
  return [
    `${isLive} -j SET --add-set ${live} src,src --exist`,
    `-m set --match-set ${cut} src,src -j SET --del-set ${live} src,src`,
    `${isLive} -m set ! --match-set ${cut} src,src -j RETURN`,
    // Flows of a port that is to be cut never outlive the grant.
    ...(hasPort(zone.cutPorts, port) ? [] : remembered),
    `${isOpen} -j RETURN`,
    '-j DROP',
  ]
}

/**
 * What this host begins from a guarded port has its answers let in: see the reasons in the
 * nftables guard (`cut-chains.ts`). Here it is not seen what a container begins that is
 * masqueraded to a guarded port, since `mangle` comes before that.
 */
function outRules(zone: Zone, family: Family): string[] {
  return addressedFrom(zone, family).flatMap(match => [
    ...zone.ports
      .filter(({ protocol }) => protocol === 'tcp')
      .map(
        port =>
          `-p tcp --sport ${port.port} --tcp-flags SYN,ACK SYN ${match} -j SET --add-set ${liveSet(zone.name, family, port)} dst,dst --exist --timeout ${FLOW_SECONDS} --del-set ${cutSet(zone.name, family, port)} dst,dst`,
      ),
    ...zone.ports.map(
      port => `-p ${port.protocol} --sport ${port.port} ${match} -g ${ownChain(zone.name, port)}`,
    ),
  ])
}

/**
 * Where flows must not outlive a grant, a server that does not know of its end goes on sending: so
 * what leaves is judged by the same sets, which end by the kernel's clock. A reset may leave: it says
 * nothing but that it is over.
 */
const stillRules = (zone: Zone, family: Family, port: Port): string[] => [
  ...(port.protocol === 'tcp' ? [RESET_LEAVES] : []),
  `-m set --match-set ${openSet(zone.name, family)} dst,src -j RETURN`,
  `-m set --match-set ${liveSet(zone.name, family, port)} dst,dst -m set ! --match-set ${cutSet(zone.name, family, port)} dst,dst -j RETURN`,
  '-j DROP',
]

const RESET_LEAVES = '-p tcp -m tcp --tcp-flags RST RST -j RETURN'

/** What was cut stays out, whatever the server goes on sending, until a door lets it in again. */
function keptRules(zone: Zone, family: Family, port: Port): string[] {
  const [live, cut] = [liveSet(zone.name, family, port), cutSet(zone.name, family, port)]
  const isCut = `-m set --match-set ${cut} dst,dst`
  if (port.protocol === 'tcp') {
    return [RESET_LEAVES, `${isCut} -j DROP`]
  }
  return [
    `${isCut} -j SET --add-set ${cut} dst,dst --exist`,
    `${isCut} -j DROP`,
    `-j SET --add-set ${live} dst,dst --exist`,
    `${isCut} -j SET --del-set ${live} dst,dst`,
    `${isCut} -j DROP`,
  ]
}
