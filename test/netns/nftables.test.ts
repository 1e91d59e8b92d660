import { parseNetwork } from '@oneknock/shared'
import { expect, it, vi } from 'vitest'
import { describeGuards, FAMILIES, opening, overBoth, serviceOn, tcp, udp } from './fixture.ts'

const ssh = serviceOn('ssh', [tcp(22)])
const wide = serviceOn('wide', [tcp(22)], { maxPrefix: { ipv4: 112, ipv6: 48 } })
/** For what should come in the end, on a busy machine. */
const PATIENCE = { timeout: 10_000, interval: 50 }

describeGuards('who gets in', fixture => {
  it('opens a port for one address alone', async () => {
    const { client, stranger, server } = fixture.lab
    await server.listen('tcp', 22)
    const guard = fixture.guard({ services: [ssh] })
    await overBoth(async v => {
      expect(await client.reach('tcp', server[v], 22)).toBe('open')
    })
    await guard.start()
    await overBoth(async v => {
      expect(await client.probe('tcp', server[v], 22)).toBe('silent')
      await guard.open(opening('ssh', client[v]))
      expect(await client.reach('tcp', server[v], 22)).toBe('open')
      expect(await stranger.probe('tcp', server[v], 22)).toBe('silent')
      await guard.close(opening('ssh', client[v]))
      expect(await client.probe('tcp', server[v], 22)).toBe('silent')
    })
  })

  it('ends a grant on time with nobody alive to end it', async () => {
    const { client, server } = fixture.lab
    await server.listen('tcp', 22)
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    const until = Date.now() + 3_000
    await overBoth(v => guard.open({ ...opening('ssh', client[v]), until }))
    await guard.kill()
    const sessions = await Promise.all(FAMILIES.map(v => client.connect('tcp', server[v], 22)))
    expect(Date.now(), 'the machine was too slow for this test').toBeLessThan(until)

    await overBoth(async v => {
      await vi.waitFor(async () => {
        expect(await client.probe('tcp', server[v], 22)).toBe('silent')
      }, PATIENCE)
    })
    expect(Date.now()).toBeGreaterThanOrEqual(until)
    for (const session of sessions) expect(await session.speaks(), 'it lives on').toBe(true)
  })

  it('opens for a prefix and no further', async () => {
    const { client, stranger, server } = fixture.lab
    await server.listen('tcp', 22)
    const guard = fixture.guard({ services: [wide] })
    await guard.start()
    const prefixes = {
      v4: ['10.77.12.0/24', '10.77.12.0/23'],
      v6: ['fd77:0:0:c::/64', 'fd77:0:0:c::/63'],
    } as const
    await overBoth(async v => {
      const [own, both] = prefixes[v]
      await guard.open(opening('wide', own))
      expect(await client.reach('tcp', server[v], 22)).toBe('open')
      expect(await stranger.probe('tcp', server[v], 22)).toBe('silent')

      await guard.open(opening('wide', both))
      expect(await stranger.reach('tcp', server[v], 22)).toBe('open')
      await guard.close(opening('wide', both))
      expect(await client.reach('tcp', server[v], 22)).toBe('open')
      expect(await stranger.probe('tcp', server[v], 22)).toBe('silent')
    })
  })

  it('keeps sessions from before the guard, and those of a grant that has ended', async () => {
    const { client, server } = fixture.lab
    const service = serviceOn('both', [tcp(22), udp(5000)])
    await Promise.all([server.listen('tcp', 22), server.listen('udp', 5000)])
    const before = await Promise.all(FAMILIES.map(v => client.connect('tcp', server[v], 22)))
    const guard = fixture.guard({ services: [service] })
    await guard.start()
    for (const session of before) expect(await session.speaks()).toBe(true)

    for (const v of FAMILIES) await guard.open(opening('both', client[v]))
    const during = await Promise.all(
      FAMILIES.flatMap(v => [
        client.connect('tcp', server[v], 22),
        client.connect('udp', server[v], 5000),
      ]),
    )
    for (const v of FAMILIES) await guard.close(opening('both', client[v]))
    for (const session of [...before, ...during]) expect(await session.speaks()).toBe(true)
    expect(await client.probe('udp', server.v4, 5000)).toBe('silent')
  })

  it('is put back after all rules were flushed, with who was in and nobody else', async () => {
    const { client, stranger, server } = fixture.lab
    await server.listen('tcp', 22)
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    await overBoth(v => guard.open(opening('ssh', client[v])))
    await server.nft('flush ruleset')
    await vi.waitFor(() => expect(guard.kinds()).toContain('guard-restored'), PATIENCE)
    await overBoth(async v => {
      expect(await client.reach('tcp', server[v], 22)).toBe('open')
      expect(await stranger.probe('tcp', server[v], 22)).toBe('silent')
    })
    expect(await guard.list()).toHaveLength(2)
  })

  it('lets nobody back in by the port of an old session', async () => {
    const { client, server } = fixture.lab
    await server.listen('tcp', 22)
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    await guard.open(opening('ssh', client.v4))
    const session = await client.connect('tcp', server.v4, 22, { localPort: 40_000 })
    await guard.close(opening('ssh', client.v4))
    expect(await session.speaks()).toBe(true)
    await session.end()
    await vi.waitFor(async () => expect(await server.connections()).toBe(0), PATIENCE)
    const again = client.connect('tcp', server.v4, 22, { localPort: 40_000, limitMs: 400 })
    await expect(again).rejects.toThrow('silent')
  })

  it('passes on what it is told to allow, and what is not guarded', async () => {
    const { client, stranger, server } = fixture.lab
    await Promise.all([server.listen('tcp', 22), server.listen('tcp', 80)])
    const allow = ['10.77.12.0/24', '10.77.0.0/20', '10.77.12.2'].map(text => parseNetwork(text)!)
    const guard = fixture.guard({ services: [ssh], allow })
    await guard.start()
    expect(await client.reach('tcp', server.v4, 22)).toBe('open')
    expect(await client.probe('tcp', server.v6, 22)).toBe('silent')
    expect(await stranger.reach('tcp', server.v4, 80)).toBe('open')
    expect(await server.reach('tcp', '127.0.0.1', 22)).toBe('open')
    expect(await server.reach('tcp', server.v6, 22)).toBe('open')
  })

  it('guards every way to a local socket: link-local, multicast and broadcast too', async () => {
    const { stranger, server } = fixture.lab
    await Promise.all([server.listen('tcp', 22), server.listen('udp', 5000)])
    const [, linkLocal] = /inet6 (fe80:[^/]+)/.exec(
      await server.run('ip', 'address', 'show', 'dev', 'eth0'),
    )!
    const ways = [`${linkLocal}%eth0`, '10.77.255.255', 'ff02::1%eth0']
    const reached = () => Promise.all(ways.map(way => stranger.spray(way, 5000, [10])))
    expect(await reached()).toEqual([1, 1, 1])
    expect(await stranger.reach('tcp', `${linkLocal}%eth0`, 22)).toBe('open')
    const guard = fixture.guard({ services: [serviceOn('all', [tcp(22), udp(5000)])] })
    await guard.start()
    expect(await reached()).toEqual([0, 0, 0])
    expect(await stranger.probe('tcp', `${linkLocal}%eth0`, 22)).toBe('silent')
  })
})
