import { type Family, familyOf, type Network } from '@oneknock/shared'
import { formatInner, type Lead } from '../../core/forwards.ts'
import { type Flow, UDP_FLOW_MS } from '../guard/flows.ts'
import { endsWithGrant, leadsIn, samePort, type Zone } from '../guard/zones.ts'
import { goesOut } from './cut-chains.ts'
import { cutSetName, liveSetName, openSetName } from './elements.ts'
import {
  addressIn,
  baseChain,
  chain,
  forget,
  inward,
  masked,
  note,
  outward,
  portIn,
  SIDES,
  type Side,
} from './text.ts'

/*
 * Ports that lead to a host behind this one. The guard judges them like any port of this host; what
 * it lets in is translated here if its address is in the open set just now, whatever became of the
 * guard. Connection tracking, which translation needs, is at work only where there is such a port.
 *
 * A flow that was cut has no socket here to reset. Its packets are dropped both ways, those from
 * behind after they have been given this host's address again, so that one look at `live` tells; and
 * both ends of a TCP flow are told so when they speak: whoever was in already learns nothing by it.
 */

/** Before those of a container engine: who leads where is said here. After the guard's `mangle`. */
const TRANSLATION = 'dstnat - 10'
const MASQUERADE = 'srcnat - 10'

/** The chains of one family of such a zone; `prefixes` are those in use. */
export function leadChains(zone: Zone, side: Side, prefixes: readonly number[]): string[] {
  const leads = leadsIn(zone, side.family)
  if (leads.length === 0) return []
  const { ip, family } = side
  const rules = prefixes.flatMap(prefix => leadRules(zone, side, prefix))
  const rulesOf = (name: string) => rules.filter(([of]) => of === name).map(([, rule]) => rule)
  const lead = ({ port: { protocol, port }, to }: Lead) =>
    `${protocol} dport ${port} dnat ${ip} to ${formatInner(to)}`
  const live = liveSetName(zone.name, family)
  const passing = [
    `meta l4proto udp ${outward(ip)} @${live} ${note('update', live, outward(ip), UDP_FLOW_MS)}`,
    `${outward(ip)} @${cutSetName(zone.name, family)} ${forget(live, outward(ip))}`,
    goesOut(zone, side),
  ]
  return [
    ...chain(leadName(zone, family), leads.map(lead)),
    ...chain(entryName(zone, family), rulesOf(entryName(zone, family))),
    ...chain(stillOpenName(zone, family), rulesOf(stillOpenName(zone, family))),
    ...chain(backName(zone, family), [
      ...(endsWithGrant(zone) ? [] : passing),
      `jump ${stillOpenName(zone, family)}`,
      // Says nothing but that it is over; the guard's own refusals come this way too.
      'tcp flags & rst == rst accept',
      'drop',
    ]),
  ]
}

/** What a prefix length that comes into use adds: to which chain, and which rule. */
export function leadRules(zone: Zone, side: Side, prefix: number): [chain: string, rule: string][] {
  const { family } = side
  if (leadsIn(zone, family).length === 0) return []
  const open = openSetName(zone.name, family, prefix)
  const from = `${masked(side, prefix)} . meta l4proto . th dport @${open}`
  const back = `${masked(side, prefix, 'daddr')} . meta l4proto . th sport @${open}`
  return [
    [entryName(zone, family), `${from} goto ${leadName(zone, family)}`],
    [stillOpenName(zone, family), `${back} accept`],
  ]
}

/** What comes back from behind passes while it is live, or while the door is open. */
export const backRules = (zone: Zone): string[] =>
  SIDES.filter(({ family }) => leadsIn(zone, family).length > 0).map(
    ({ proto, family }) =>
      `meta nfproto ${proto} ct status dnat ct direction reply goto ${backName(zone, family)}`,
  )

/** For a packet that no zone admits: whoever was cut hears that it is over, everybody else nothing. */
export const refusals = (zone: Zone): string[] =>
  SIDES.filter(({ family }) => leadsIn(zone, family).length > 0).map(
    ({ family, ip }) =>
      `${portIn('dport', zone.ports)} ${inward(ip)} @${cutSetName(zone.name, family)} meta l4proto tcp reject with tcp reset`,
  )

export function leadBaseChains(zones: readonly Zone[], allow: readonly Network[]): string[] {
  const leading = zones.filter(({ leads }) => leads.length > 0)
  if (leading.length === 0) return []
  const masquerading = leading.filter(({ masquerade }) => masquerade)
  const masquerades = masquerading.flatMap(({ leads }) => leads.map(masqueradeRule))
  return [
    ...baseChain(
      'lead',
      'prerouting',
      TRANSLATION,
      leading.flatMap(zone => enterRules(zone, allow)),
      'nat',
    ),
    ...(masquerades.length > 0
      ? baseChain('hide', 'postrouting', MASQUERADE, masquerades, 'nat')
      : []),
    ...baseChain(
      'pass',
      'forward',
      'filter',
      leading.flatMap(zone => zone.leads.flatMap(lead => passRules(zone, lead))),
    ),
  ]
}

function enterRules(zone: Zone, allow: readonly Network[]): string[] {
  const here = `${portIn('dport', zone.ports)} fib daddr type local`
  return SIDES.filter(({ family }) => leadsIn(zone, family).length > 0).flatMap(
    ({ proto, family, ip }) => [
      ...addressIn('saddr', allow)
        .filter(match => match.startsWith(`${ip} `))
        .map(match => `${match} ${here} goto ${leadName(zone, family)}`),
      `meta nfproto ${proto} ${here} goto ${entryName(zone, family)}`,
    ],
  )
}

const masqueradeRule = ({ family, port, to }: Lead): string => {
  const { protocol } = port
  const { ip } = sideOf(family)
  const began = `meta l4proto ${protocol} ct original proto-dst ${port.port}`
  return `ct status dnat ${began} ${ip} daddr ${to.address} ${protocol} dport ${to.port} masquerade`
}

/**
 * The inner host hears of a cut when it speaks. A flow that passes the guard although it was cut has
 * been let in again since.
 */
function passRules(zone: Zone, { family, port: { protocol, port }, to }: Lead): string[] {
  const { ip } = sideOf(family)
  const cut = cutSetName(zone.name, family)
  const began = `meta l4proto ${protocol} ct original proto-dst ${port}`
  const end = protocol === 'tcp' ? 'reject with tcp reset' : 'drop'
  return [
    `${began} ${ip} daddr ${to.address} ${protocol} dport ${to.port} ${inward(ip)} @${cut} ${forget(cut, inward(ip))}`,
    `${ip} saddr ${to.address} ${protocol} sport ${to.port} ${outward(ip)} @${cut} ${end}`,
  ]
}

/**
 * By which names a flow that is cut must be remembered: what its server goes on sending must not
 * leave, and of UDP would look like the first of a flow of its own; what is led on is known on its way back by the inner host's port.
 */
export function remembered(zone: Zone, flow: Flow): Flow[] {
  const led = zone.leads.filter(
    ({ family, port }) => family === familyOf(flow.address) && samePort(port, flow),
  )
  return [flow, ...led.map(({ to }) => ({ ...flow, port: to.port }))]
}

/** What a listing says of where each zone leads, in words that compare: `tcp/2222 10.0.0.5:22`. */
export function parseLeads(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [, name = '', body = ''] of text.matchAll(LEAD_CHAIN)) {
    const leads = [...body.matchAll(LEAD_RULE)].map(
      ([, protocol, port, to]) => `${protocol}/${port} ${to}`,
    )
    found.set(name, [...(found.get(name) ?? []), ...leads])
  }
  return found
}

const LEAD_CHAIN = /\n\tchain (\S+)_lead[46] \{\n([\s\S]*?)\n\t\}/g
const LEAD_RULE = /(tcp|udp) dport (\d+) dnat ip6? to (\S+)/g

const sideOf = (family: Family): Side => SIDES.find(side => side.family === family)!

const leadName = (zone: Zone, family: Family): string => `${zone.name}_lead${family}`
const entryName = (zone: Zone, family: Family): string => `${zone.name}_entry${family}`
const stillOpenName = (zone: Zone, family: Family): string => `${zone.name}_still${family}`
const backName = (zone: Zone, family: Family): string => `${zone.name}_back${family}`
