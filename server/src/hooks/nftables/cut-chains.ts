import { CUT_MS, UDP_FLOW_MS } from '../guard/flows.ts'
import { keptPorts, type Zone } from '../guard/zones.ts'
import { cutSetName, liveSetName, openSetName } from './elements.ts'
import { chain, forget, inward, masked, note, outward, portIn, SIDES, type Side } from './text.ts'

/*
 * nft's `add` and `update` make an element where there is none. A packet may have found its flow in
 * `live`, or its door open, and not have got there yet when the flow is cut: then it would bring the
 * flow back, and whoever is to be out could see to it by sending without pause. So a flow that is cut is
 * put into `cut`, before it is taken out of `live`; `cut` outweighs `live`; and whatever a packet
 * writes into `live` is followed by another look. What was cut stays out until its server has let it be for
 * an hour, or a door lets it in again.
 */

/** The chains of a side for flows that outlive a grant; `prefixes` are those in use. */
export const goingChains = (zone: Zone, side: Side, prefixes: readonly number[]): string[] => [
  ...chain(goingChain(zone, side), goingRules(zone, side)),
  ...chain(
    stillOpenChain(zone, side),
    prefixes.map(prefix => stillOpenRule(zone, side, prefix)),
  ),
]

/** Where a packet goes that was found in `live`, and has been noted there. */
export const goingChain = (zone: Zone, { family }: Side): string => `${zone.name}_going${family}`

/** Its flow was cut, before or just now: a door may let it in again. */
const goingRules = (zone: Zone, { family, ip }: Side): string[] => [
  `${inward(ip)} @${cutSetName(zone.name, family)} ${forget(liveSetName(zone.name, family), inward(ip))} goto ${openChain(zone, { family })}`,
  'accept',
]

export const openChain = (zone: Zone, { family }: Pick<Side, 'family'>): string =>
  `${zone.name}_open${family}`

/**
 * A door was found open: the flow is remembered, so that it outlives the grant. If there is no room
 * for that, it passes all the same: hence rules of their own. Then the door is looked at again: while
 * it is open, a cut that is still to come will find the flow. If it has been closed, the flow counts as
 * cut, whether that is over or not.
 */
export function admitRules(zone: Zone, side: Side): string[] {
  const { family, ip } = side
  const [live, cut] = [liveSetName(zone.name, family), cutSetName(zone.name, family)]
  return [
    // Until its second packet, a TCP flow may be a handshake that comes to nothing.
    note('add', live, inward(ip), UDP_FLOW_MS),
    forget(cut, inward(ip)),
    `jump ${stillOpenChain(zone, side)}`,
    note('update', cut, inward(ip), CUT_MS),
    forget(live, inward(ip)),
    'drop',
  ]
}

const stillOpenChain = (zone: Zone, { family }: Side): string => `${zone.name}_still_open${family}`

const stillOpenRule = (zone: Zone, side: Side, prefix: number): string =>
  `${masked(side, prefix)} . meta l4proto . th dport @${openSetName(zone.name, side.family, prefix)} accept`

/** What a prefix length that comes into use adds: to which chain, and which rule. */
export const stillOpenRules = (zone: Zone, side: Side, prefix: number): [string, string][] => [
  [stillOpenChain(zone, side), stillOpenRule(zone, side, prefix)],
]

/**
 * What this host, or a container behind it, begins from a guarded port has its answers let in. Not
 * by `ct direction reply`: conntrack takes up a flow in its middle, so one that was cut would
 * revive with the server's next packet; and it would be switched on for the whole host. TCP says
 * who begins. UDP does not: what was cut stays out. A port that is to be cut hears nobody without a
 * grant, whoever spoke first.
 *
 * A TCP server whose socket is not this host's, so that nobody could reset it, goes on as well: for
 * a window's worth of data, and then with that again and again. A reset itself may leave.
 */
export function beginRules(zone: Zone): string[] {
  const [keptUdp, keptTcp] = [keptPorts(zone, 'udp'), keptPorts(zone, 'tcp')]
  return SIDES.flatMap(({ family, ip }) => {
    const [live, cut] = [liveSetName(zone.name, family), cutSetName(zone.name, family)]
    const flow = outward(ip)
    const remember = note('update', live, flow, UDP_FLOW_MS)
    const fromUdp = `${portIn('sport', keptUdp)} ${flow}`
    const udp = [
      `${fromUdp} @${cut} ${note('update', cut, flow, CUT_MS)} drop`,
      `${portIn('sport', keptUdp)} ${remember}`,
      `${fromUdp} @${cut} ${forget(live, flow)} drop`,
    ]
    const tcp = `${portIn('sport', keptTcp)} tcp flags & rst != rst ${flow} @${cut} drop`
    return [
      `tcp flags & (syn | ack) == syn ${remember} ${forget(cut, flow)}`,
      ...(keptTcp.length > 0 ? [tcp] : []),
      ...(keptUdp.length > 0 ? udp : []),
    ]
  })
}

/** What was found in `live` by what leaves, if it was not cut. */
export const goesOut = (zone: Zone, { family, ip }: Side): string =>
  `${outward(ip)} @${liveSetName(zone.name, family)} ${outward(ip)} != @${cutSetName(zone.name, family)} accept`
