import { parseNetwork } from '@oneknock/shared'
import { expect, it } from 'vitest'
import { describeGuards, FAMILIES, opening, overBoth, serviceOn, tcp, udp } from './fixture.ts'

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

describeGuards(
  'containers and what is only passed on',
  (fixture, backend) => {
    it('guards a published port like a local one', async () => {
      const { client, stranger, server, container } = fixture.lab
      await server.nft(PUBLISHED)
      await Promise.all([container.listen('tcp', 80), container.listen('udp', 80)])
      const before = await Promise.all(FAMILIES.map(v => client.connect('tcp', server[v], 8080)))
      const guard = fixture.guard({ services: [wiki] })
      await guard.start()
      for (const session of before) expect(await session.speaks(), 'conntrack knew it').toBe(true)

      await overBoth(async v => {
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
        expect(await during.isSilent()).toBe(true)
        expect(await datagrams.isSilent()).toBe(true)
      })
      for (const session of before) expect(await session.isSilent()).toBe(true)
    })

    it('leaves alone what the host only forwards', async () => {
      const { client, stranger, server, container } = fixture.lab
      await server.nft(PUBLISHED)
      await Promise.all([container.listen('tcp', 8080), stranger.listen('tcp', 8080)])
      const guard = fixture.guard({ services: [wiki] })
      await guard.start()
      await overBoth(async v => {
        expect(await client.reach('tcp', container[v], 8080)).toBe('open')
        expect(await container.reach('tcp', stranger[v], 8080), 'its own way out').toBe('open')
      })
    })

    /** The table `mangle` comes before masquerading, so that ipset sees the container's address there. */
    const seesWhatIsMasqueraded = backend === 'nftables'
    it(`${seesWhatIsMasqueraded ? 'lets' : 'does not let'} a container begin from what becomes a guarded port`, async () => {
      const { stranger, server, container } = fixture.lab
      await server.nft(PUBLISHED)
      await stranger.listen('tcp', 8080)
      await fixture.guard({ services: [wiki] }).start()
      const own = { localPort: 8080, ...(!seesWhatIsMasqueraded && { limitMs: 400 }) }
      await overBoth(async v => {
        const answer = await container.reach('tcp', stranger[v], 8080, own)
        expect(answer).toBe(seesWhatIsMasqueraded ? 'open' : 'silent')
      })
    })

    it('lets answers to the host in, also from a guarded port of its own', async () => {
      const { stranger, server } = fixture.lab
      await Promise.all([stranger.listen('tcp', 80), stranger.listen('udp', 80)])
      const guard = fixture.guard({ services: [wiki] })
      await guard.start()
      await overBoth(async v => {
        const session = await server.connect('tcp', stranger[v], 80, { localPort: 8080 })
        expect(await session.speaks()).toBe(true)
        expect(await stranger.probe('tcp', server[v], 8080)).toBe('silent')
      })
      for (const v of FAMILIES) {
        const datagrams = await server.connect('udp', stranger[v], 80, { localPort: 8080 })
        expect(await datagrams.speaks()).toBe(true)
        await datagrams.end()
      }
    })

    it('guards a host behind this one when a service names it, apart from its own ports', async () => {
      const { client, stranger, server, container } = fixture.lab
      await Promise.all([container, server].map(host => host.listen('tcp', 22)))
      const nas = serviceOn('nas', [tcp(22)], {
        destination: FAMILIES.map(v => parseNetwork(container[v])!),
      })
      const guard = fixture.guard({ services: [nas, serviceOn('ssh', [tcp(22)])] })
      await guard.start()
      await overBoth(async v => {
        expect(await client.probe('tcp', container[v], 22)).toBe('silent')
        await guard.open(opening('nas', client[v]))
        const session = await client.connect('tcp', container[v], 22)
        expect(await client.probe('tcp', server[v], 22)).toBe('silent')
        expect(await stranger.probe('tcp', container[v], 22)).toBe('silent')

        await guard.close(opening('nas', client[v]))
        expect(await session.speaks()).toBe(true)
        expect(await client.probe('tcp', container[v], 22)).toBe('silent')
        await guard.cut(opening('nas', client[v]))
        expect(await session.isSilent()).toBe(true)
      })
      await container.rest()
      expect(await container.reach('tcp', client.v4, 22, { localPort: 22 })).toBe('refused')
    })
  },
  ['conntrack'],
)
