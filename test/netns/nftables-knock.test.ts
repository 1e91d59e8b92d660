import { PACKET_BYTES } from '@oneknock/shared'
import { expect, it } from 'vitest'
import { until } from '../server/kit.ts'
import { describeGuards, type FamilyName, overBoth, serviceOn, tcp } from './fixture.ts'

const KNOCKS = 62201
const FAMILY = { v4: 'ipv4', v6: 'ipv6' } as const
/** Milliseconds for answers that should come, on a busy machine. */
const LONG = 5_000
/** Prints who is metered. */
const METER = { nftables: ['nft', 'list', 'set', 'inet', 'oneknock'], ipset: ['ipset', 'list'] }
const METER_SET = { nftables: 'meter', ipset: 'ONEKNOCK-meter' }

describeGuards(
  'the port that is knocked at',
  (fixture, backend) => {
    const guardKnocks = async () => {
      const guard = fixture.guard({ services: [serviceOn('ssh', [tcp(22)])], spaPorts: [KNOCKS] })
      await guard.start()
      return guard
    }

    it('lets through what has the length of a packet', async () => {
      const { client, server } = fixture.lab
      await server.listen('udp', KNOCKS)
      const sizes = [0, 1, PACKET_BYTES - 1, PACKET_BYTES + 1, 1400, 4000]
      const all = [...sizes, PACKET_BYTES]
      await overBoth(async v => {
        expect(await client.spray(server[v], KNOCKS, all, LONG)).toBe(all.length)
      })
      await guardKnocks()
      await overBoth(async v => {
        expect(await client.spray(server[v], KNOCKS, sizes)).toBe(0)
        expect(await client.spray(server[v], KNOCKS, [PACKET_BYTES], LONG)).toBe(1)
      })
    })

    it('keeps floods out of connection tracking', async () => {
      const { client, server } = fixture.lab
      await server.listen('udp', KNOCKS)
      // Somebody on this host uses connection tracking.
      await server.nft(
        'table inet firewall { chain in { type filter hook input priority 0; ct state invalid drop; }; }',
      )
      const tracked = (v: FamilyName) => server.run('conntrack', '-L', '-f', FAMILY[v])
      const sizes = new Array(50).fill(PACKET_BYTES)
      await overBoth(async v => {
        await client.spray(server[v], KNOCKS, sizes, LONG)
        expect(await tracked(v)).toContain(`dport=${KNOCKS}`)
      })
      await server.run('conntrack', '-F')
      await guardKnocks()
      await overBoth(async v => {
        expect(await client.spray(server[v], KNOCKS, sizes, LONG)).toBe(sizes.length)
        expect(await tracked(v)).not.toContain(`=${KNOCKS}`)
      })
    })

    it('stays silent while no daemon listens', async () => {
      const { client, server } = fixture.lab
      const sized = { first: 'k'.repeat(PACKET_BYTES) }
      await overBoth(async v => {
        expect(await client.reach('udp', server[v], KNOCKS)).toBe('refused')
      })
      const guard = await guardKnocks()
      await guard.stop()
      await overBoth(async v => {
        expect(await client.probe('udp', server[v], KNOCKS)).toBe('silent')
        expect(await client.probe('udp', server[v], KNOCKS, sized)).toBe('silent')
        // Other ports say so as ever.
        expect(await client.reach('udp', server[v], KNOCKS + 1, sized)).toBe('refused')
      })
    })

    it('limits one source and no other', async () => {
      const { client, stranger, server } = fixture.lab
      await server.listen('udp', KNOCKS)
      await guardKnocks()
      const counters = (where: string) =>
        Object.values(FAMILY).map(
          family =>
            `meta nfproto ${family} udp dport ${KNOCKS} counter comment "${family} ${where}"`,
        )
      await server.nft(`table inet around {
      chain before {
        type filter hook prerouting priority raw - 1;
        ${counters('came').join('\n')}
      }
      chain behind {
        type filter hook prerouting priority raw + 1;
        ${counters('passed').join('\n')}
      }; }`)
      const counted = async (v: FamilyName) => {
        const table = await server.run('nft', 'list', 'table', 'inet', 'around')
        const packets = (where: string) =>
          Number(new RegExp(`packets (\\d+) .*"${FAMILY[v]} ${where}"`).exec(table)![1])
        return { came: packets('came'), passed: packets('passed') }
      }
      const flood = new Array(5_000).fill(PACKET_BYTES)
      await overBoth(async v => {
        const flooded = async () => {
          await stranger.spray(server[v], KNOCKS, flood, 1)
          return counted(v)
        }
        const { passed } = await until(flooded, seen => seen.came - seen.passed > 500, 15_000)
        expect(passed).toBeGreaterThanOrEqual(1_000)
        expect(await client.spray(server[v], KNOCKS, [PACKET_BYTES], LONG)).toBe(1)
        const metered = await server.run(...METER[backend], `${METER_SET[backend]}${v[1]}`)
        expect(metered).toContain(v === 'v4' ? `${stranger.v4} ` : 'fd77:0:0:d:: ')
      })
    })

    it('does not meddle with knocks at hosts behind this one', async () => {
      const { client, server, container } = fixture.lab
      await Promise.all([server.listen('udp', KNOCKS), container.listen('udp', KNOCKS)])
      await guardKnocks()
      expect(await client.spray(container.v4, KNOCKS, [10, PACKET_BYTES], LONG)).toBe(2)
      expect(await client.reach('tcp', server.v4, KNOCKS)).toBe('refused')
    })
  },
  ['conntrack'],
)
