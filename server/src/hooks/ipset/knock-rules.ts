import { type Family, PACKET_BYTES } from '@oneknock/shared'
import { IN, KNOCK, meterSet, OUT } from './names.ts'
import { type Table, TO_OTHERS } from './rules.ts'
import { METER_PACKETS } from './sets.ts'

const UDP_HEADER = 8
const DATAGRAM = { 4: 20 + UDP_HEADER + PACKET_BYTES, 6: 40 + UDP_HEADER + PACKET_BYTES } as const

/**
 * Drops what cannot be a knock before it costs anything, and keeps knocks out of conntrack, which a
 * flood would fill: in `raw`. A source is metered by the counter that its element in a set has for
 * ten seconds; a full set lets pass, where `hashlimit` would drop everybody who is new.
 */
export function rawTable(ports: readonly number[], family: Family): Table {
  if (ports.length === 0) return { name: 'raw', jumps: [], chains: [] }
  const here = [...new Set(ports)].join(',')
  const meter = meterSet(family)
  return {
    name: 'raw',
    jumps: [
      { from: 'PREROUTING', to: IN },
      { from: 'OUTPUT', to: OUT },
    ],
    chains: [
      { name: IN, rules: [`-p udp -m multiport --dports ${here} -g ${KNOCK}`] },
      {
        name: KNOCK,
        rules: [
          `${TO_OTHERS[family]} -j RETURN`,
          `-m length ! --length ${DATAGRAM[family]} -j DROP`,
          `-m set --match-set ${meter} src --packets-gt ${METER_PACKETS} -j DROP`,
          `-j SET --add-set ${meter} src`,
          '-j CT --notrack',
        ],
      },
      {
        name: OUT,
        rules: [
          `-p udp -m multiport --sports ${here} -j CT --notrack`,
          `${unreachable(here)[family]} -j DROP`,
        ],
      },
    ],
  }
}

/**
 * While no daemon runs, the kernel's "port unreachable" would tell the port from one that is
 * dropped. It quotes the datagram behind ICMP's 8 bytes: `u32` looks there for UDP and the port,
 * for IPv4 behind headers whose lengths it reads first.
 */
const unreachable = (ports: string) => ({
  4: `-p icmp --icmp-type port-unreachable -m u32 --u32 "0>>22&0x3C@14&0xFF=17&&0>>22&0x3C@8>>22&0x3C@8&0xFFFF=${ports}"`,
  6: `-p icmpv6 --icmpv6-type port-unreachable -m u32 --u32 "51&0xFF=17&&88&0xFFFF=${ports}"`,
})
