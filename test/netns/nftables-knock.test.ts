import { PACKET_BYTES } from '@oneknock/shared'
import { expect, it } from 'vitest'
import { describeGuards, type FamilyName, overBoth, serviceOn, tcp } from './fixture.ts'

const KNOCKS = 62201
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
      const family = { v4: 'ipv4', v6: 'ipv6' } as const
      const tracked = (v: FamilyName) => server.run('conntrack', '-L', '-f', family[v])
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
      await server.nft(`table inet behind {
      chain c {
        type filter hook prerouting priority raw + 1;
        meta nfproto ipv4 udp dport ${KNOCKS} counter comment "v4"
        meta nfproto ipv6 udp dport ${KNOCKS} counter comment "v6"
      }; }`)
      const sent = 30_000
      await overBoth(async v => {
        await stranger.spray(server[v], KNOCKS, new Array(sent).fill(PACKET_BYTES))
      })
      const counted = await server.run('nft', 'list', 'table', 'inet', 'behind')
      await overBoth(async v => {
        const passed = Number(new RegExp(`packets (\\d+) .*"${v}"`).exec(counted)![1])
        expect(passed).toBeGreaterThanOrEqual(1_000)
        expect(passed).toBeLessThan(sent)
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
