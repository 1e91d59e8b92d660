import { type Address, parseAddress, parseNetwork } from '@oneknock/shared'
import { expect, it, vi } from 'vitest'
import type { Service } from '../../server/src/core/directory.ts'
import { FAMILIES, opening, overBoth, serviceOn, tcp, udp, useLab } from './fixture.ts'
import { describeWithNamespaces } from './lab.ts'

const PATIENCE = { timeout: 10_000, interval: 50 }

const at = (address: string, port: number) => ({
  address: parseAddress(address) as Address,
  port,
})

/** tcp/2222 and udp/2222 of the server lead to ports 22 and 53 of the container. */
const INNER = [at('10.88.0.2', 22), at('10.88.0.2', 53), at('fd88::2', 22), at('fd88::2', 53)]
const nas = (own: Partial<Service> = {}, masquerade = false) =>
  serviceOn('nas', [tcp(2222), udp(2222)], { forward: { to: INNER, masquerade }, ...own })

describeWithNamespaces('nftables: ports that lead to a host behind this one', () => {
  const fixture = useLab()

  const serve = async () => {
    const { container } = fixture.lab
    await Promise.all([container.listen('tcp', 22), container.listen('udp', 53)])
  }

  /** Whoever may not is met with silence at the port, and reaches no other that way. */
  const strangerMeetsSilence = async () => {
    const { stranger, server } = fixture.lab
    await overBoth(async v => {
      expect(await stranger.probe('tcp', server[v], 2222)).toBe('silent')
      expect(await stranger.probe('udp', server[v], 2222)).toBe('silent')
    })
  }

  for (const masquerade of [false, true]) {
    it(`lead there whom a grant names, ${masquerade ? 'masqueraded' : 'as themselves'}, and nobody else`, async () => {
      const { client, server, container } = fixture.lab
      await serve()
      // Something of the server's own at the same port must not be what a grant opens.
      await server.listen('tcp', 2222)
      const guard = fixture.guard({ services: [nas({}, masquerade)] })
      await guard.start()
      await strangerMeetsSilence()
      await overBoth(async v => {
        expect(await client.probe('tcp', server[v], 2222)).toBe('silent')
        await guard.open(opening('nas', client[v]))
        const session = await client.connect('tcp', server[v], 2222)
        const datagrams = await client.connect('udp', server[v], 2222)
        expect(await session.speaks()).toBe(true)
        expect(await datagrams.speaks()).toBe(true)
        await guard.close(opening('nas', client[v]))
        expect(await session.speaks('after the grant')).toBe(true)
        expect(await datagrams.speaks('after the grant')).toBe(true)
        expect(await client.probe('tcp', server[v], 2222)).toBe('silent')
      })
      expect(await container.connections()).toBe(2)
      expect(await server.connections()).toBe(0)
      await strangerMeetsSilence()
      const peers = (await container.run('ss', '-Htn', 'sport', '=', ':22')).match(/\S+(?=\s*$)/gm)
      expect(peers?.map(peer => peer.replace(/:\d+$/, '')).sort()).toEqual(
        masquerade
          ? ['[::ffff:10.88.0.1]', '[fd88::1]']
          : [`[::ffff:${client.v4}]`, `[${client.v6}]`],
      )
    })
  }

  it('are cut for good both ways, with the inner host still sending; a new grant lets in again', async () => {
    const { client, server, container } = fixture.lab
    await serve()
    const guard = fixture.guard({ services: [nas()] })
    await guard.start()
    for (const v of FAMILIES) {
      const own = (port: number) => ({ localPort: port + FAMILIES.indexOf(v) })
      await guard.open(opening('nas', client[v]))
      const session = await client.connect('tcp', server[v], 2222, own(40_022))
      const idle = await client.connect('tcp', server[v], 2222)
      const datagrams = await client.connect('udp', server[v], 2222, own(40_053))
      await guard.close(opening('nas', client[v]))
      for (const one of [session, idle, datagrams]) expect(await one.speaks()).toBe(true)
      await guard.cut(opening('nas', client[v]))

      await Promise.all([container.shout('still here'), container.speak(53, 'still here')])
      expect(await datagrams.isSilent()).toBe(true)
      expect(await session.isSilent()).toBe(true)
      await Promise.all([container.shout('still here'), container.speak(53, 'still here')])
      await vi.waitFor(async () => expect(await session.state()).toBe('reset'), PATIENCE)
      for (const one of [session, idle, datagrams]) {
        expect(await one.hears('still here', 0)).toBe(false)
      }

      await guard.open(opening('nas', client[v]))
      const again = await client.connect('tcp', server[v], 2222, own(40_022))
      expect(await again.speaks()).toBe(true)
      expect(await datagrams.speaks('again')).toBe(true)
      await Promise.all([container.shout('by myself'), container.speak(53, 'by myself')])
      for (const one of [again, datagrams]) expect(await one.hears('by myself')).toBe(true)
      await again.end()
    }
    // The inner host was told as well.
    await vi.waitFor(async () => expect(await container.connections()).toBe(0), PATIENCE)
  })

  it('end with the grant where the service says so', async () => {
    const { client, server, container } = fixture.lab
    await serve()
    const guard = fixture.guard({ services: [nas({ onExpiry: 'cut' })] })
    await guard.start()
    for (const v of FAMILIES) {
      await guard.open(opening('nas', client[v]))
      const session = await client.connect('tcp', server[v], 2222)
      expect(await session.speaks()).toBe(true)
      await container.shout('during')
      expect(await session.hears('during')).toBe(true)
      await guard.close(opening('nas', client[v]))
      await container.shout('afterwards')
      expect(await session.isSilent()).toBe(true)
      await vi.waitFor(async () => expect(await session.state()).toBe('reset'), PATIENCE)
      expect(await session.hears('afterwards', 0)).toBe(false)
    }
    await vi.waitFor(async () => expect(await container.connections()).toBe(0), PATIENCE)
  })

  it('close on time with nobody alive to do it, and cut where the service says so', async () => {
    const { client, server, container } = fixture.lab
    await serve()
    const strict = serviceOn('strict', [tcp(3333)], {
      onExpiry: 'cut',
      forward: { to: [at('10.88.0.2', 22), at('fd88::2', 22)], masquerade: false },
    })
    const guard = fixture.guard({ services: [nas(), strict] })
    await guard.start()
    const until = Date.now() + 3_000
    const names = ['nas', 'strict']
    for (const name of names) {
      await overBoth(v => guard.open({ ...opening(name, client[v]), until }))
    }
    const kept = await Promise.all(FAMILIES.map(v => client.connect('tcp', server[v], 2222)))
    const ended = await Promise.all(FAMILIES.map(v => client.connect('tcp', server[v], 3333)))
    await guard.kill()
    for (const session of [...kept, ...ended]) expect(await session.speaks()).toBe(true)
    expect(Date.now(), 'the machine was too slow for this test').toBeLessThan(until)
    await strangerMeetsSilence()

    const allSilent = async () => {
      for (const session of ended) expect(await session.isSilent()).toBe(true)
    }
    await vi.waitFor(allSilent, PATIENCE)
    expect(Date.now()).toBeGreaterThanOrEqual(until)
    await container.shout('the inner host knows nothing of it')
    for (const session of kept) expect(await session.hears('knows nothing')).toBe(true)
    for (const session of ended) expect(await session.hears('knows nothing', 300)).toBe(false)
    await overBoth(async v => {
      for (const port of [2222, 3333]) {
        expect(await client.probe('tcp', server[v], port)).toBe('silent')
      }
    })
    await strangerMeetsSilence()
  })

  it('outlive a flush of all rules, a restart of the daemon and a reload', async () => {
    const { client, server } = fixture.lab
    await serve()
    const first = fixture.guard({ services: [nas()] })
    await first.start()
    await overBoth(v => first.open(opening('nas', client[v])))
    const sessions = await Promise.all(FAMILIES.map(v => client.connect('tcp', server[v], 2222)))
    await server.nft('flush ruleset')
    await vi.waitFor(() => expect(first.kinds()).toContain('guard-restored'), PATIENCE)
    for (const session of sessions) expect(await session.speaks('flushed')).toBe(true)
    await overBoth(async v => {
      expect(await client.reach('tcp', server[v], 2222)).toBe('open')
    })
    await strangerMeetsSilence()

    await first.kill()
    const second = fixture.guard({ services: [nas()] })
    await second.start()
    expect(await second.list()).toHaveLength(2)
    for (const session of sessions) expect(await session.speaks('restarted')).toBe(true)
    await second.configure({ services: [nas(), serviceOn('ssh', [tcp(22)])] })
    expect(await second.list()).toHaveLength(2)
    for (const session of sessions) expect(await session.speaks('reloaded')).toBe(true)
    await overBoth(async v => {
      expect(await client.reach('tcp', server[v], 2222)).toBe('open')
      expect(await client.probe('tcp', server[v], 22)).toBe('silent')
    })
  })

  it('that come to lead elsewhere take nobody there who was let in before, nor back', async () => {
    const { client, stranger, server, container } = fixture.lab
    await serve()
    await Promise.all([container.listen('tcp', 23), stranger.listen('tcp', 22)])
    const guard = fixture.guard({ services: [nas()] })
    await guard.start()
    await overBoth(v => guard.open(opening('nas', client[v])))
    const sessions = await Promise.all(FAMILIES.map(v => client.connect('tcp', server[v], 2222)))
    const to = [at('10.88.0.2', 23), at('fd88::2', 23)]
    const moved = nas({ ports: [tcp(2222)], forward: { to, masquerade: false } })
    await guard.configure({ services: [moved] })
    expect(await guard.list()).toEqual([])
    for (const session of sessions) expect(await session.isSilent()).toBe(true)
    await overBoth(async v => {
      expect(await client.probe('tcp', server[v], 2222)).toBe('silent')
      await guard.open(opening('nas', client[v]))
      expect(await client.reach('tcp', server[v], 2222)).toBe('open')
    })
  })

  it('know prefixes, networks that are always allowed, and families that lead nowhere', async () => {
    const { client, stranger, server } = fixture.lab
    await serve()
    await server.listen('tcp', 2222)
    const wide = nas({
      ports: [tcp(2222)],
      maxPrefix: { ipv4: 112, ipv6: 48 },
      forward: { to: [at('10.88.0.2', 22)], masquerade: false },
    })
    const allow = [parseNetwork(`${stranger.v4}/32`)!]
    const guard = fixture.guard({ services: [wide], allow })
    await guard.start()
    expect(await stranger.reach('tcp', server.v4, 2222)).toBe('open')
    expect(await client.probe('tcp', server.v4, 2222)).toBe('silent')
    await guard.open(opening('nas', '10.77.0.0/16'))
    await guard.open(opening('nas', 'fd77::/48'))
    const session = await client.connect('tcp', server.v4, 2222)
    expect(await session.speaks()).toBe(true)
    expect(await client.probe('tcp', server.v6, 2222)).toBe('silent')
    expect(await server.connections()).toBe(0)
    expect(await guard.list()).toHaveLength(2)
  })
})
