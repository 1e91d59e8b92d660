import { type Address, parseAddress, parseNetwork } from '@oneknock/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Port } from '../../../server/src/core/directory.ts'
import { hasEnded } from '../../../server/src/hooks/guard/flows.ts'
import { parseSockets, parseTracked } from '../../../server/src/hooks/guard/sockets.ts'
import { zonesOf } from '../../../server/src/hooks/guard/zones.ts'
import { lineOf } from '../../../server/src/hooks/nftables/command.ts'
import {
  formatDuration,
  openCommand,
  parseDuration,
} from '../../../server/src/hooks/nftables/elements.ts'
import { parseListing, skeleton } from '../../../server/src/hooks/nftables/listing.ts'
import { renderFile } from '../../../server/src/hooks/nftables/ruleset.ts'
import { addressIn } from '../../../server/src/hooks/nftables/text.ts'
import { service } from './service.ts'

const tcp = (port: number): Port => ({ protocol: 'tcp', port })
const udp = (port: number): Port => ({ protocol: 'udp', port })

describe('durations', () => {
  it('are written in parts and read back', () => {
    expect(formatDuration(93_784_005)).toBe('1d2h3m4s5ms')
    expect(formatDuration(1_500)).toBe('1s500ms')
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 50 }), ms => {
        expect(parseDuration(formatDuration(ms))).toBe(ms)
      }),
    )
  })

  it.each([Number.NaN, Number.NEGATIVE_INFINITY, -1, 0, 0.4, 9.9])(
    'of %d close, since no timeout would be for ever',
    remaining => {
      expect(hasEnded(remaining)).toBe(true)
      const network = parseNetwork('192.0.2.1')!
      const command = openCommand([{ zone: 'host', network, port: tcp(22), remaining }])
      expect(command).toMatch(/^add element [^;]*; delete element [^;]*$/)
    },
  )
})

describe('ends that are set', () => {
  const end = (address: string, remaining: number, zone = 'host') => ({
    ...{ zone, network: parseNetwork(address)!, port: tcp(22), remaining },
  })
  const set = 'inet oneknock host_open4_32'

  it('are set together, each set in one go; of two for one element the later one counts', () => {
    const command = openCommand([
      end('192.0.2.1', 5_000),
      end('192.0.2.2', 0),
      end('2001:db8::1', 1_000),
      end('192.0.2.1', 7_000),
    ])
    const keys = '192.0.2.1 . 6 . 22, 192.0.2.2 . 6 . 22'
    expect(command.split('; ').slice(0, 3)).toEqual([
      `add element ${set} { ${keys} }`,
      `delete element ${set} { ${keys} }`,
      `add element ${set} { 192.0.2.1 . 6 . 22 timeout 7s }`,
    ])
    expect(command.split('; ')).toHaveLength(6)
  })

  it('come to what is left once it is their turn, and keep their place among other commands', () => {
    const ends = (address: string, at: number) => ({
      elements: [end(address, 5_000)],
      at,
      fresh: false,
    })
    const waiting = [ends('192.0.2.1', 100), ends('192.0.2.2', 1_100), 'flush x', ends('::1', 0)]
    const commands = lineOf(waiting, 2_100, false).split('; ')
    expect(commands[2]).toBe(
      `add element ${set} { 192.0.2.1 . 6 . 22 timeout 3s, 192.0.2.2 . 6 . 22 timeout 4s }`,
    )
    expect(commands[3]).toBe('flush x')
    expect(commands).toHaveLength(7)
    // Who waited for longer than it was to last is not let in any more.
    expect(lineOf([ends('192.0.2.1', 100)], 5_200, false)).not.toContain('timeout')
  })

  it('of which none should be there are made in one word each, until that was refused', () => {
    const ends = (address: string, fresh: boolean) => ({
      elements: [end(address, 5_000)],
      at: 0,
      fresh,
    })
    const waiting = [ends('192.0.2.1', true), ends('192.0.2.2', true), ends('192.0.2.1', false)]
    const commands = lineOf(waiting, 1_000, false).split('; ')
    expect(commands[0]).toBe(
      `create element ${set} { 192.0.2.1 . 6 . 22 timeout 4s, 192.0.2.2 . 6 . 22 timeout 4s }`,
    )
    expect(commands.slice(1).map(command => command.split(' ')[0])).toEqual([
      'add',
      'delete',
      'add',
    ])
    expect(lineOf(waiting, 1_000, true)).not.toContain('create')
    // Who waited for too long.
    expect(lineOf(waiting, 6_000, false)).not.toMatch(/create|timeout/)
  })
})

describe('zones', () => {
  it('are this host, and each service that names another', () => {
    const destination = [parseNetwork('10.0.0.5')!]
    const zones = zonesOf([
      service('ssh', { ports: [tcp(22)] }),
      service('all', { ports: [tcp(22), udp(53)], onExpiry: 'cut' }),
      service('nas', { ports: [tcp(22)], destination }),
      service('gate', {}),
    ])
    expect(zones.map(({ name }) => name)).toEqual(['host', 'to_nas'])
    expect(zones[0]).toMatchObject({ ports: [tcp(22), udp(53)], cutPorts: [udp(53)] })
  })

  it('hold the lengths that policy allows', () => {
    const [zone] = zonesOf([
      service('ssh', { ports: [tcp(22)], maxPrefix: { ipv4: 126, ipv6: 128 } }),
      service('web', { ports: [tcp(80)], maxPrefix: { ipv4: 128, ipv6: 127 } }),
    ])
    expect(zone!.prefixes).toEqual({ 4: [32, 31, 30], 6: [128, 127] })
  })
})

describe('the table', () => {
  it('guards nothing if there is nothing to guard', () => {
    expect(renderFile({ zones: [], allow: [], spaPorts: [] })).not.toContain('chain')
  })

  it('lets a thousand packets a second of one source knock, of IPv6 those of a site together', () => {
    const text = renderFile({ zones: [], allow: [], spaPorts: [62201] })
    const over = 'limit rate over 1000/second burst 1000 packets'
    expect(text).toContain(`update @meter4 { ip saddr ${over} } drop`)
    expect(text).toContain(`update @meter6 { ip6 saddr & ffff:ffff:ffff:ffff:: ${over} } drop`)
  })

  it('names networks so that none overlaps another', () => {
    const networks = ['10.1.0.0/16', '10.0.0.0/8', '10.0.0.0/8', 'fd00::1', '192.0.2.1']
    expect(
      addressIn(
        'saddr',
        networks.map(text => parseNetwork(text)!),
      ),
    ).toEqual(['ip saddr { 10.0.0.0/8, 192.0.2.1/32 }', 'ip6 saddr { fd00::1/128 }'])
  })
})

/** As nft 1.0.6 prints it, where there is an /etc/protocols. */
const LISTED = `table inet oneknock {
	set host_open4_24 {
		type ipv4_addr . inet_proto . inet_service
		flags timeout
		elements = { 192.0.2.0 . tcp . 22 timeout 1m expires 59s996ms,
			     198.51.100.0 . udp . 53 timeout 1m expires 1d2ms }
	}

	set to_nas_open6_128 {
		type ipv6_addr . inet_proto . inet_service
		flags timeout
		elements = { 2001:db8::1 . tcp . 22 }
	}

	set host_live6 {
		type ipv6_addr . inet_proto . inet_service . inet_service
		size 262144
		flags dynamic,timeout
		timeout 1d
		elements = { 2001:db8::1 . tcp . 40000 . 22 expires 23h59m59s988ms }
	}

	chain judge {
		meta l4proto . th dport { tcp . 22, udp . 53 } fib daddr type != unicast jump host
		meta l4proto . th dport { tcp . 22 } ip daddr 10.0.0.5 jump to_nas
		meta l4proto . th dport { tcp . 22, udp . 53 } fib daddr type != unicast drop
	}
}
`

describe('a listing', () => {
  it('tells what is open, live and guarded; what has no end does not count', () => {
    const { open, live, guarded } = parseListing(LISTED)
    expect(open).toEqual([
      {
        zone: 'host',
        network: parseNetwork('192.0.2.0/24'),
        port: tcp(22),
        remaining: 59_996,
      },
      {
        zone: 'host',
        network: parseNetwork('198.51.100.0/24'),
        port: udp(53),
        remaining: 86_400_002,
      },
    ])
    const flow = { address: '2001:db8::1', peerPort: 40_000, protocol: 'tcp', port: 22 }
    expect(live).toEqual([{ zone: 'host', flow, remaining: 86_399_988 }])
    expect([...guarded]).toEqual([
      ['host', [tcp(22), udp(53)]],
      ['to_nas', [tcp(22)]],
    ])
  })

  it('reads the same where protocols have no names', () => {
    const bare = LISTED.replaceAll(' tcp ', ' 6 ').replaceAll(' udp ', ' 17 ')
    expect(parseListing(bare)).toEqual(parseListing(LISTED))
  })

  it('has a skeleton that elements and remarks do not change', () => {
    const moved = LISTED.replace('59s996ms', '12s').replace(
      /\n\t\telements = \{ 2001:db8::1 \. tcp \. 40000[^}]*\}/,
      '',
    )
    expect(skeleton(moved)).toBe(skeleton(LISTED))
    expect(skeleton(LISTED.replace('size 262144', 'size 262144\t# count 7'))).toBe(skeleton(LISTED))
    expect(skeleton(LISTED.replace('{ tcp . 22 } ip', '{ tcp . 23 } ip'))).not.toBe(
      skeleton(LISTED),
    )
    expect(skeleton(LISTED.replace('drop', 'accept'))).not.toBe(skeleton(LISTED))
  })
})

describe('flows', () => {
  it('are read from the socket tables, without those that only listen or have ended', () => {
    const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   1: 0100004D:0016 020C4D0A:9C40 01 00000000:00000000 00:00000000 00000000     0
   2: 0100004D:0016 020C4D0A:9C41 06 00000000:00000000 00:00000000 00000000     0
   3: 0100004D:0016 020C4D0A:9C42 08 00000000:00000000 00:00000000 00000000     0
`
    expect(parseSockets(table, 'tcp').map(({ flow }) => flow)).toEqual([
      { address: '10.77.12.2', peerPort: 40_000, protocol: 'tcp', port: 22 },
      { address: '10.77.12.2', peerPort: 40_002, protocol: 'tcp', port: 22 },
    ])
  })

  it('of dual-stack sockets are of the family that they are on the wire', () => {
    const table = `   1: 0000000000000000FFFF00000100007F:08AE 0000000000000000FFFF00000100007F:B09E 01
   2: 000077FD00000000000000000100000D:0016 000077FD00000C000000000002000000:C148 01`
    const [mapped, v6] = parseSockets(table, 'udp')
    expect(mapped!.flow.address).toBe('127.0.0.1')
    expect(v6!.flow).toEqual({
      address: 'fd77:0:c::2',
      peerPort: 0xc148,
      protocol: 'udp',
      port: 22,
    })
  })

  it.each(['', 'ipv4     2 '])(
    'are read from connection tracking, in both directions: "%s"',
    start => {
      const table = `${start}tcp      6 431999 ESTABLISHED src=192.0.2.1 dst=10.0.0.1 sport=40000 dport=8080 src=10.88.0.2 dst=192.0.2.1 sport=80 dport=40000 [ASSURED] mark=0 use=1
${start}tcp      6 100 TIME_WAIT src=192.0.2.1 dst=10.0.0.1 sport=40001 dport=8080 src=10.88.0.2 dst=192.0.2.1 sport=80 dport=40001 [ASSURED] mark=0 use=1
${start}udp      17 29 src=192.0.2.1 dst=10.0.0.1 sport=40002 dport=8080 [UNREPLIED] src=10.88.0.2 dst=192.0.2.1 sport=80 dport=40002 mark=0 use=1
${start}udp      17 29 src=10.88.0.2 dst=192.0.2.9 sport=8080 dport=53 src=192.0.2.9 dst=10.0.0.1 sport=53 dport=8080 mark=0 use=1
${start}icmp     1 29 src=10.0.0.1 dst=192.0.2.9 type=8 code=0 id=1 src=192.0.2.9 dst=10.0.0.1 type=0 code=0 id=1 mark=0 use=1
`
      const own = new Set<Address>([parseAddress('10.0.0.1')!])
      const here = parseTracked(table, own).filter(flow => flow.here)
      expect(here.map(({ flow }) => flow)).toEqual([
        { address: '192.0.2.1', peerPort: 40_000, protocol: 'tcp', port: 8080 },
        { address: '192.0.2.9', peerPort: 53, protocol: 'udp', port: 8080 },
      ])
    },
  )
})
