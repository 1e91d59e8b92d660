import { expect, it, vi } from 'vitest'
import { opening, serviceOn, tcp, udp, useLab } from './fixture.ts'
import { describeWithNamespaces } from './lab.ts'

const FAMILIES = ['v4', 'v6'] as const
const PATIENCE = { timeout: 10_000, interval: 50 }
const SILENCE = 400

const game = serviceOn('game', [tcp(22), udp(5000)])
const strict = serviceOn('strict', [tcp(22), udp(5000)], { onExpiry: 'cut' })

describeWithNamespaces('nftables: who is out at once', () => {
  const fixture = useLab()

  const serve = async () => {
    const { server } = fixture.lab
    await Promise.all([server.listen('tcp', 22), server.listen('udp', 5000)])
  }

  it.each(FAMILIES)('cuts the flows of one opening and no others, over %s', async v => {
    const { client, stranger, server } = fixture.lab
    await serve()
    const guard = fixture.guard({ services: [game] })
    await guard.start()
    await Promise.all([client, stranger].map(host => guard.open(opening('game', host[v]))))
    const [mine, theirs] = await Promise.all(
      [client, stranger].map(host => host.connect('tcp', server[v], 22)),
    )
    const datagrams = await client.connect('udp', server[v], 5000)
    await guard.close(opening('game', client[v]))
    expect(await mine!.speaks()).toBe(true)
    await guard.cut(opening('game', client[v]))
    await vi.waitFor(async () => expect(await mine!.state()).toBe('reset'), PATIENCE)
    expect(await datagrams.isSilent()).toBe(true)
    expect(await theirs!.speaks()).toBe(true)
    expect(guard.kinds()).toEqual(['guard-up'])
  })

  it.each(FAMILIES)('spares what another opening admits, over %s', async v => {
    const { client, server } = fixture.lab
    await serve()
    const wide = serviceOn('wide', [tcp(22)], { maxPrefix: { ipv4: 112, ipv6: 48 } })
    const guard = fixture.guard({ services: [game, wide] })
    await guard.start()
    const [own, all] = [
      opening('game', client[v]),
      opening('wide', v === 'v4' ? '10.77.0.0/16' : 'fd77::/48'),
    ]
    await guard.open(own)
    await guard.open(all)
    const session = await client.connect('tcp', server[v], 22)
    const datagrams = await client.connect('udp', server[v], 5000)
    await guard.close(own)
    await guard.cut(own)
    expect(await session.speaks()).toBe(true)
    expect(await datagrams.isSilent()).toBe(true)

    await guard.open(own)
    await guard.close(all)
    await guard.cut(all)
    expect(await session.speaks()).toBe(true)
    await guard.close(own)
    await guard.cut(own)
    expect(await session.isSilent()).toBe(true)
  })

  it.each(FAMILIES)('is not undone by a server that goes on sending, over %s', async v => {
    const { client, server } = fixture.lab
    await serve()
    const guard = fixture.guard({ services: [game] })
    await guard.start()
    await guard.open(opening('game', client[v]))
    const datagrams = await client.connect('udp', server[v], 5000)
    await guard.close(opening('game', client[v]))
    await server.speak(5000, 'once')
    expect(await datagrams.hears('once')).toBe(true)
    expect(await datagrams.speaks()).toBe(true)

    await guard.cut(opening('game', client[v]))
    await server.speak(5000, 'twice')
    expect(await datagrams.hears('twice', SILENCE)).toBe(false)
    expect(await datagrams.isSilent()).toBe(true)

    await guard.open(opening('game', client[v]))
    expect(await datagrams.speaks('a new grant')).toBe(true)
  })

  it.each(FAMILIES)('cuts at the end of a grant when the service says so, over %s', async v => {
    const { client, server } = fixture.lab
    await serve()
    const before = await client.connect('tcp', server[v], 22)
    const guard = fixture.guard({ services: [strict] })
    await guard.start()
    expect(await before.speaks(), 'nobody is locked out by the guard itself').toBe(true)
    await guard.open(opening('strict', client[v]))
    const session = await client.connect('tcp', server[v], 22)
    await guard.close(opening('strict', client[v]))
    await vi.waitFor(async () => expect(await session.state()).toBe('reset'), PATIENCE)
    expect(await before.state()).toBe('reset')
  })

  it.each(FAMILIES)('cuts on time with nobody alive to do it, over %s', async v => {
    const { client, server } = fixture.lab
    await serve()
    const guard = fixture.guard({ services: [strict] })
    await guard.start()
    const door = opening('strict', client[v], 1_500)
    await guard.open(door)
    const session = await client.connect('tcp', server[v], 22)
    const datagrams = await client.connect('udp', server[v], 5000)
    await guard.kill()
    expect(await session.speaks()).toBe(true)
    expect(Date.now(), 'the machine was too slow for this test').toBeLessThan(door.until)
    await vi.waitFor(async () => expect(await session.isSilent()).toBe(true), PATIENCE)
    expect(Date.now()).toBeGreaterThanOrEqual(door.until)
    expect(await datagrams.isSilent()).toBe(true)
    await server.speak(5000, 'come back')
    expect(await datagrams.isSilent()).toBe(true)
  })

  it('cuts many at once', async () => {
    const { client, server } = fixture.lab
    await serve()
    const guard = fixture.guard({ services: [strict, game] })
    await guard.start()
    const doors = Array.from({ length: 250 }, (_, i) => opening('strict', `198.51.100.${i}`))
    const mine = opening('strict', client.v4)
    await Promise.all([...doors, mine].map(door => guard.open(door)))
    const session = await client.connect('tcp', server.v4, 22)
    await Promise.all([...doors, mine].map(door => guard.close(door)))
    await vi.waitFor(async () => expect(await session.state()).toBe('reset'), PATIENCE)
    expect(await guard.list()).toEqual([])
  })
})
