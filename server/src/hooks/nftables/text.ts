import {
  containsNetwork,
  type Family,
  familyOf,
  familyPrefix,
  maskNetwork,
  type Network,
  parseAddress,
  wirePrefix,
} from '@oneknock/shared'
import type { Port } from '../../core/directory.ts'
import { formatDuration } from './elements.ts'

/** The phrases that the table is written in. */

/** What the two families are called in nft's language. */
export interface Side {
  readonly family: Family
  readonly proto: 'ipv4' | 'ipv6'
  readonly ip: 'ip' | 'ip6'
  readonly type: 'ipv4_addr' | 'ipv6_addr'
}

export const SIDES: readonly Side[] = [
  { family: 4, proto: 'ipv4', ip: 'ip', type: 'ipv4_addr' },
  { family: 6, proto: 'ipv6', ip: 'ip6', type: 'ipv6_addr' },
]

export function set(
  name: string,
  type: string,
  limits?: { readonly size: number; readonly timeout: number },
): string {
  const rest = limits
    ? `flags dynamic,timeout; size ${limits.size}; timeout ${formatDuration(limits.timeout)}`
    : 'flags timeout'
  return `set ${name} { type ${type}; ${rest}; }`
}

export const chain = (name: string, rules: readonly string[]): string[] => [
  `chain ${name} {`,
  ...rules,
  '}',
]

export const baseChain = (
  name: string,
  hook: 'prerouting' | 'forward' | 'postrouting' | 'output',
  priority: string,
  rules: readonly string[],
  type: 'filter' | 'nat' = 'filter',
): string[] =>
  chain(name, [`type ${type} hook ${hook} priority ${priority}; policy accept;`, ...rules])

/** Anonymous sets: nobody can change them apart from the rule, which the heartbeat reads. */
export const portIn = (field: 'dport' | 'sport', ports: readonly Port[]): string =>
  `meta l4proto . th ${field} { ${ports.map(({ protocol, port }) => `${protocol} . ${port}`).join(', ')} }`

/** One match for each family in use. Interval sets refuse overlaps: what another holds is left out. */
export function addressIn(field: 'daddr' | 'saddr', networks: readonly Network[]): string[] {
  const widestFirst = [...networks].sort((a, b) => a.prefix - b.prefix)
  const outer: Network[] = []
  for (const network of widestFirst) {
    if (!outer.some(other => containsNetwork(other, network))) outer.push(network)
  }
  return SIDES.flatMap(({ family, ip }) => {
    const texts = outer
      .filter(({ address }) => familyOf(address) === family)
      .map(network => `${network.address}/${familyPrefix(network)}`)
    return texts.length > 0 ? [`${ip} ${field} { ${texts.join(', ')} }`] : []
  })
}

const ALL_ONES = {
  4: parseAddress('255.255.255.255')!,
  6: parseAddress('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')!,
}

/** `ip saddr & 255.255.255.0`; a single address needs no mask. */
export function masked(
  { family, ip }: Side,
  prefix: number,
  field: 'saddr' | 'daddr' = 'saddr',
): string {
  const network = maskNetwork(ALL_ONES[family], wirePrefix(family, prefix))
  const whole = network.address === ALL_ONES[family]
  return whole ? `${ip} ${field}` : `${ip} ${field} & ${network.address}`
}

/** A flow by its packets towards a guarded port, as sets hold it; and by those that come back. */
export const inward = (ip: Side['ip']): string => `${ip} saddr . meta l4proto . th sport . th dport`
export const outward = (ip: Side['ip']): string =>
  `${ip} daddr . meta l4proto . th dport . th sport`

/** Takes it out of a set, if it is there. */
export const forget = (from: string, key: string): string => `delete @${from} { ${key} }`

export const note = (verb: 'add' | 'update', into: string, key: string, ms: number): string =>
  `${verb} @${into} { ${key} timeout ${formatDuration(ms)} }`
