import { PACKET_BYTES } from '@oneknock/shared'
import { expect, it } from 'vitest'
import { serviceOn, tcp, useLab } from './fixture.ts'
import { describeWithNamespaces } from './lab.ts'

const FAMILIES = ['v4', 'v6'] as const
const KNOCKS = 62201

describeWithNamespaces('nftables: the port that is knocked at', () => {
  const fixture = useLab()

  const guardKnocks = async () => {
    const guard = fixture.guard({ services: [serviceOn('ssh', [tcp(22)])], spaPorts: [KNOCKS] })
    await guard.start()
    return guard
  }

  it.each(FAMILIES)('lets through what has the length of a packet, over %s', async v => {
    const { client, server } = fixture.lab
    await server.listen('udp', KNOCKS)
    const sizes = [0, 1, PACKET_BYTES - 1, PACKET_BYTES + 1, 1400, 4000]
    const all = [...sizes, PACKET_BYTES]
    expect(await client.spray(server[v], KNOCKS, all)).toBe(all.length)
    await guardKnocks()
    expect(await client.spray(server[v], KNOCKS, sizes)).toBe(0)
    expect(await client.spray(server[v], KNOCKS, [PACKET_BYTES], 5_000)).toBe(1)
  })

  it.each(FAMILIES)('keeps floods out of connection tracking, over %s', async v => {
    const { client, server } = fixture.lab
    await server.listen('udp', KNOCKS)
    // Somebody on this host uses connection tracking.
    await server.nft(
      'table inet firewall { chain in { type filter hook input priority 0; ct state invalid drop; }; }',
    )
    const tracked = async () =>
      (await server.run('conntrack', '-L')) + (await server.run('conntrack', '-L', '-f', 'ipv6'))
    const sizes = new Array(50).fill(PACKET_BYTES)
    await client.spray(server[v], KNOCKS, sizes)
    expect(await tracked()).toContain(`dport=${KNOCKS}`)
    await server.run('conntrack', '-F')
    await guardKnocks()
    expect(await client.spray(server[v], KNOCKS, sizes, 5_000)).toBe(sizes.length)
    expect(await tracked()).not.toContain(`=${KNOCKS}`)
  })

  it.each(FAMILIES)('stays silent while no daemon listens, over %s', async v => {
    const { client, server } = fixture.lab
    expect(await client.probe('udp', server[v], KNOCKS)).toBe('refused')
    const guard = await guardKnocks()
    await guard.stop()
    expect(await client.probe('udp', server[v], KNOCKS)).toBe('silent')
    const sized = 'k'.repeat(PACKET_BYTES)
    expect(await client.probe('udp', server[v], KNOCKS, { first: sized })).toBe('silent')
    // Other ports say so as ever.
    expect(await client.probe('udp', server[v], KNOCKS + 1, { first: sized })).toBe('refused')
  })

  it.each(FAMILIES)('limits one source and no other, over %s', async v => {
    const { client, stranger, server } = fixture.lab
    await server.listen('udp', KNOCKS)
    await guardKnocks()
    await server.nft(`table inet behind {
      chain c { type filter hook prerouting priority raw + 1; udp dport ${KNOCKS} counter; }; }`)
    const sent = 30_000
    await stranger.spray(server[v], KNOCKS, new Array(sent).fill(PACKET_BYTES))
    const counted = await server.run('nft', 'list', 'table', 'inet', 'behind')
    const passed = Number(/packets (\d+)/.exec(counted)![1])
    expect(passed).toBeGreaterThanOrEqual(1_000)
    expect(passed).toBeLessThan(sent)
    expect(await client.spray(server[v], KNOCKS, [PACKET_BYTES], 5_000)).toBe(1)
    const metered = await server.run('nft', 'list', 'set', 'inet', 'oneknock', `meter${v[1]}`)
    expect(metered).toContain(v === 'v4' ? `${stranger.v4} ` : 'fd77:0:0:d:: ')
  })

  it('does not meddle with knocks at hosts behind this one', async () => {
    const { client, server, container } = fixture.lab
    await Promise.all([server.listen('udp', KNOCKS), container.listen('udp', KNOCKS)])
    await guardKnocks()
    expect(await client.spray(container.v4, KNOCKS, [10, PACKET_BYTES], 5_000)).toBe(2)
    expect(await client.probe('tcp', server.v4, KNOCKS)).toBe('refused')
  })
})
