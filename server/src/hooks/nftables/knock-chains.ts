import { PACKET_BYTES } from '@oneknock/shared'
import { baseChain, chain, masked, SIDES, set } from './text.ts'

/** A good device sends a few packets for a knock; this is for floods, and still far from the daemon's own limit. */
export const METER_RATE = 1000
/** Sources that are metered at once; a spoofed flood fills this with ease, and then nobody new is. */
const METER_MAX = 2048
const METER_MS = 10_000
/** What one host or household has: to meter single addresses would meter nothing in IPv6. */
const METER_PREFIX = { 4: 32, 6: 64 } as const

const UDP_HEADER = 8
const IPV4_HEADER = 20
const DATAGRAM = UDP_HEADER + PACKET_BYTES

/**
 * Drops what cannot be a knock before it costs anything, and keeps knocks out of conntrack, which a
 * flood would fill. While no daemon runs, the kernel's "port unreachable" would tell the port from
 * one that is dropped, so it is kept in.
 */
export function knockSetsAndChains(ports: readonly number[]): string[] {
  if (ports.length === 0) return []
  const here = `{ ${[...new Set(ports)].join(', ')} }`
  // `@th` counts in bits: behind ICMP's 8 bytes comes the datagram it is about, from its IP header
  // on. That header is bare, since others were dropped on their way in.
  const unreachable = {
    4: `icmp type destination-unreachable icmp code port-unreachable @th,136,8 17 @th,240,16 ${here}`,
    6: `icmpv6 type destination-unreachable icmpv6 code port-unreachable @th,112,8 17 @th,400,16 ${here}`,
  }
  return [
    ...SIDES.map(({ family, type }) =>
      set(`meter${family}`, type, { size: METER_MAX, timeout: METER_MS }),
    ),
    ...chain('knock', [
      'fib daddr type unicast accept',
      // Together these pass only a whole datagram: no fragment, no IP options, no extension headers.
      `udp length != ${DATAGRAM} drop`,
      `ip length != ${IPV4_HEADER + DATAGRAM} drop`,
      `ip6 length != ${DATAGRAM} drop`,
      ...SIDES.map(side => {
        const source = masked(side, METER_PREFIX[side.family])
        const over = `limit rate over ${METER_RATE}/second burst ${METER_RATE} packets`
        return `update @meter${side.family} { ${source} ${over} } drop`
      }),
      'notrack',
    ]),
    ...baseChain('knocks', 'prerouting', 'raw', [`udp dport ${here} goto knock`]),
    ...baseChain('replies', 'output', 'raw', [
      `udp sport ${here} notrack`,
      `${unreachable[4]} drop`,
      `${unreachable[6]} drop`,
    ]),
  ]
}
