import { expect, it } from 'vitest'
import { opening, serviceOn, tcp, udp, useLab } from './fixture.ts'
import { describeWithNamespaces } from './lab.ts'

const FAMILIES = ['v4', 'v6'] as const

/** What a container engine does: port 8080 of the host is the container's port 80. */
const PUBLISHED = `
  table ip engine {
    chain in {
      type nat hook prerouting priority dstnat;
      fib daddr type local meta l4proto { tcp, udp } th dport 8080 dnat to 10.88.0.2:80
    }
    chain out {
      type nat hook postrouting priority srcnat;
      oifname eth0 ip saddr 10.88.0.0/24 masquerade
    }
  }
  table ip6 engine {
    chain in {
      type nat hook prerouting priority dstnat;
      fib daddr type local meta l4proto { tcp, udp } th dport 8080 dnat to [fd88::2]:80
    }
    chain out {
      type nat hook postrouting priority srcnat;
      oifname eth0 ip6 saddr fd88::/64 masquerade
    }
  }`

const wiki = serviceOn('wiki', [tcp(8080), udp(8080)])

describeWithNamespaces('nftables: containers and what is only passed on', () => {
  const fixture = useLab()

  it.each(FAMILIES)('guards a published port like a local one, over %s', async v => {
    const { client, stranger, server, container } = fixture.lab
    await server.nft(PUBLISHED)
    await Promise.all([container.listen('tcp', 80), container.listen('udp', 80)])
    const before = await client.connect('tcp', server[v], 8080)
    const guard = fixture.guard({ services: [wiki] })
    await guard.start()
    expect(await before.speaks(), 'conntrack knew of it').toBe(true)
    expect(await client.probe('tcp', server[v], 8080)).toBe('silent')

    await guard.open(opening('wiki', client[v]))
    const during = await client.connect('tcp', server[v], 8080)
    const datagrams = await client.connect('udp', server[v], 8080)
    expect(await stranger.probe('tcp', server[v], 8080)).toBe('silent')
    expect(await stranger.probe('udp', server[v], 8080)).toBe('silent')

    await guard.close(opening('wiki', client[v]))
    expect(await during.speaks()).toBe(true)
    expect(await datagrams.speaks()).toBe(true)
    expect(await client.probe('tcp', server[v], 8080)).toBe('silent')

    await guard.cut(opening('wiki', client[v]))
    for (const session of [before, during, datagrams]) expect(await session.isSilent()).toBe(true)
  })

  it.each(FAMILIES)('leaves alone what the host only forwards, over %s', async v => {
    const { client, stranger, server, container } = fixture.lab
    await server.nft(PUBLISHED)
    await Promise.all([container.listen('tcp', 8080), stranger.listen('tcp', 8080)])
    const guard = fixture.guard({ services: [wiki] })
    await guard.start()
    expect(await client.probe('tcp', container[v], 8080)).toBe('open')
    // The container's own way out: to the guarded port elsewhere, and from the guarded port.
    expect(await container.probe('tcp', stranger[v], 8080)).toBe('open')
    await container.rest()
    const session = await container.connect('tcp', stranger[v], 8080, { localPort: 8080 })
    expect(await session.speaks()).toBe(true)
  })

  it.each(FAMILIES)(
    'lets answers to the host in, from a guarded port of its own, over %s',
    async v => {
      const { stranger, server } = fixture.lab
      await Promise.all([stranger.listen('tcp', 80), stranger.listen('udp', 80)])
      const guard = fixture.guard({ services: [wiki] })
      await guard.start()
      const session = await server.connect('tcp', stranger[v], 80, { localPort: 8080 })
      expect(await session.speaks()).toBe(true)
      const datagrams = await server.connect('udp', stranger[v], 80, { localPort: 8080 })
      expect(await datagrams.speaks()).toBe(true)
      expect(await stranger.probe('tcp', server[v], 8080)).toBe('silent')
    },
  )

  it('guards a host behind this one when a service names it, apart from its own ports', async () => {
    const { client, stranger, server, container } = fixture.lab
    await Promise.all([container, server].map(host => host.listen('tcp', 22)))
    const nas = serviceOn('nas', [tcp(22)], {
      destination: [
        { address: container.v4, prefix: 128 },
        { address: container.v6, prefix: 128 },
      ] as never,
    })
    const guard = fixture.guard({ services: [nas, serviceOn('ssh', [tcp(22)])] })
    await guard.start()
    for (const v of FAMILIES) {
      expect(await client.probe('tcp', container[v], 22)).toBe('silent')
      await guard.open(opening('nas', client[v]))
      expect(await client.probe('tcp', container[v], 22)).toBe('open')
      expect(await client.probe('tcp', server[v], 22)).toBe('silent')
      expect(await stranger.probe('tcp', container[v], 22)).toBe('silent')
    }
    const session = await client.connect('tcp', container.v4, 22)
    await guard.close(opening('nas', client.v4))
    expect(await session.speaks()).toBe(true)
    expect(await client.probe('tcp', container.v4, 22)).toBe('silent')
    await guard.cut(opening('nas', client.v4))
    expect(await session.isSilent()).toBe(true)
    await container.rest()
    const out = await container
      .connect('tcp', client.v4, 22, { limitMs: 400 })
      .catch(e => e.message)
    expect(out).toContain('refused')
  })
})
