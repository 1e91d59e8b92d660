import { parseNetwork } from '@oneknock/shared'
import { expect, it, vi } from 'vitest'
import { describeGuards, FAMILIES, opening, overBoth, serviceOn, tcp, udp } from './fixture.ts'
import type { Host } from './host.ts'

const PATIENCE = { timeout: 10_000, interval: 50 }

/** In some of so many a packet is on its way through the rules just when its flow is cut. */
const ROUNDS = 3
/** Flows that are cut together, so that the kernel takes its time. */
const CROWD = 500
/** Of the flow that packets come from meanwhile. */
const PEER_PORT = 40_000

/**
 * Sends datagrams without end and reads none, so that nobody hears that a port is not in use; `rarely`
 * leaves the processor to others.
 */
function senderFrom(from: string, port: number, to: string, toPort: number, rarely: boolean) {
  const program = `
    socket(S, PF_INET, SOCK_DGRAM, 17);
    bind(S, pack_sockaddr_in(${port}, inet_aton("${from}"))) or die;
    my $to = pack_sockaddr_in(${toPort}, inet_aton("${to}"));
    for (;;) { send(S, "x", 0, $to); ${rarely ? 'select(undef, undef, undef, 0.05)' : ''} }`
  return ['perl', '-MSocket', '-e', program]
}

/** Others of this address that are live. */
function crowdFrom(address: string): string {
  const flows = Array.from(
    { length: CROWD },
    (_, i) => `${address} . 17 . ${1024 + i} . 5000 timeout 3m`,
  )
  return `add element inet oneknock host_live4 { ${flows.join(', ')} }`
}

const game = serviceOn('game', [tcp(22), udp(5000)])
const strict = serviceOn('strict', [tcp(22), udp(5000)], { onExpiry: 'cut' })

describeGuards('who is out at once', (fixture, backend) => {
  const serve = async () => {
    const { server } = fixture.lab
    await Promise.all([server.listen('tcp', 22), server.listen('udp', 5000)])
  }

  /** Who is in, as the kernel has it. */
  const liveIn = async (host: Host): Promise<string> => {
    if (backend === 'nftables')
      return host.run('nft', 'list', 'set', 'inet', 'oneknock', 'host_live4')
    return host.run('ipset', 'save', 'ONEKNOCK-host-live4-udp5000')
  }

  const takeAway = async (host: Host): Promise<void> => {
    if (backend === 'nftables') {
      await host.nft('delete table inet oneknock')
      return
    }
    for (const program of ['iptables', 'ip6tables']) await host.run(program, '-t', 'mangle', '-F')
    await host.run('ipset', 'flush')
  }

  it('cuts the flows of one opening and no others', async () => {
    const { client, stranger, server } = fixture.lab
    await serve()
    const guard = fixture.guard({ services: [game] })
    await guard.start()
    await overBoth(async v => {
      await Promise.all([client, stranger].map(host => guard.open(opening('game', host[v]))))
      const mine = await client.connect('tcp', server[v], 22)
      const theirs = await stranger.connect('tcp', server[v], 22)
      const datagrams = await client.connect('udp', server[v], 5000)
      await guard.close(opening('game', client[v]))
      expect(await mine.speaks()).toBe(true)

      await guard.cut(opening('game', client[v]))
      await vi.waitFor(async () => expect(await mine.state()).toBe('reset'), PATIENCE)
      expect(await datagrams.isSilent()).toBe(true)
      expect(await theirs.speaks()).toBe(true)
    })
    expect(guard.kinds()).toEqual(['guard-up'])
  })

  it('spares what another opening admits', async () => {
    const { client, server } = fixture.lab
    await serve()
    const wide = serviceOn('wide', [tcp(22)], { maxPrefix: { ipv4: 112, ipv6: 48 } })
    const guard = fixture.guard({ services: [game, wide] })
    await guard.start()
    await overBoth(async v => {
      const own = opening('game', client[v])
      const all = opening('wide', v === 'v4' ? '10.77.0.0/16' : 'fd77::/48')
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
  })

  it('is not undone by a server that goes on sending', async () => {
    const { client, server } = fixture.lab
    await serve()
    const guard = fixture.guard({ services: [game] })
    await guard.start()
    const doors = FAMILIES.map(v => opening('game', client[v]))
    await Promise.all(doors.map(door => guard.open(door)))
    const flows = await Promise.all(FAMILIES.map(v => client.connect('udp', server[v], 5000)))
    await Promise.all(doors.map(door => guard.close(door)))
    await server.speak(5000, 'once')
    for (const flow of flows) expect(await flow.hears('once')).toBe(true)
    for (const flow of flows) expect(await flow.speaks()).toBe(true)

    await Promise.all(doors.map(door => guard.cut(door)))
    await server.speak(5000, 'twice')
    const silent = await Promise.all(flows.map(flow => flow.isSilent()))
    expect(silent).toEqual([true, true])
    for (const flow of flows) expect(await flow.hears('twice', 0)).toBe(false)

    await Promise.all(doors.map(door => guard.open(door)))
    for (const flow of flows) expect(await flow.speaks('a new grant')).toBe(true)
  })

  it.each(['client', 'server'])(
    'holds while the %s goes on sending, whoever else is cut',
    async who => {
      const { client, server } = fixture.lab
      const guard = fixture.guard({ services: [game] })
      await guard.start()
      const senders = [
        client.spawn(senderFrom(client.v4, PEER_PORT, server.v4, 5000, who === 'server')),
        server.spawn(senderFrom(server.v4, 5000, client.v4, PEER_PORT, who === 'client')),
      ]
      try {
        for (let round = 0; round < ROUNDS; round++) {
          const door = opening('game', client.v4)
          await guard.open(door)
          if (backend === 'nftables') await server.nft(crowdFrom(client.v4))
          await vi.waitFor(
            async () => expect(await liveIn(server)).toContain(`${PEER_PORT}`),
            PATIENCE,
          )
          await guard.close(door)
          await guard.cut(door)
          expect(await liveIn(server), `round ${round}`).not.toContain(`${PEER_PORT}`)
        }
      } finally {
        for (const sender of senders) sender.kill()
      }
    },
  )

  it('is not forgotten when the guard is taken away, changed or begun anew', async () => {
    const { client, server } = fixture.lab
    await serve()
    // So the kernel knows their flows also where no socket tells of them.
    await server.nft(`table inet others {
      chain input {
        type filter hook input priority 0
        ct state new accept
      }
    }`)
    let guard = fixture.guard({ services: [game] })
    await guard.start()
    const doors = FAMILIES.map(v => opening('game', client[v]))
    await Promise.all(doors.map(door => guard.open(door)))
    const flows = await Promise.all(FAMILIES.map(v => client.connect('udp', server[v], 5000)))
    await Promise.all(doors.map(door => guard.close(door)))
    await Promise.all(doors.map(door => guard.cut(door)))
    const expectSilence = async (when: string) => {
      await server.speak(5000, when)
      const silent = await Promise.all(flows.map(flow => flow.isSilent()))
      expect(silent, when).toEqual([true, true])
      for (const flow of flows) expect(await flow.hears(when, 0), when).toBe(false)
    }
    await takeAway(server)
    await vi.waitFor(() => expect(guard.kinds()).toContain('guard-restored'), PATIENCE)
    await expectSilence('taken away')
    await guard.configure({ services: [game, serviceOn('mail', [tcp(25)])] })
    await expectSilence('changed')
    await guard.kill()
    guard = fixture.guard({ services: [game] })
    await guard.start()
    await expectSilence('begun anew')
    await takeAway(server)
    await vi.waitFor(() => expect(guard.kinds()).toContain('guard-restored'), PATIENCE)
    await expectSilence('taken away again')

    await Promise.all(doors.map(door => guard.open(door)))
    for (const flow of flows) expect(await flow.speaks('a new grant')).toBe(true)
    await Promise.all(doors.map(door => guard.close(door)))
    for (const flow of flows) expect(await flow.speaks('which is over')).toBe(true)
  })

  it('cuts at the end of a grant when the service says so', async () => {
    const { client, server } = fixture.lab
    await serve()
    const before = await Promise.all(FAMILIES.map(v => client.connect('tcp', server[v], 22)))
    const guard = fixture.guard({ services: [strict] })
    await guard.start()
    for (const session of before) expect(await session.speaks(), 'not by the guard').toBe(true)
    await overBoth(async v => {
      await guard.open(opening('strict', client[v]))
      const session = await client.connect('tcp', server[v], 22)
      await guard.close(opening('strict', client[v]))
      await vi.waitFor(async () => expect(await session.state()).toBe('reset'), PATIENCE)
    })
    for (const session of before) expect(await session.state()).toBe('reset')
  })

  it('cuts on time with nobody alive to do it', async () => {
    const { client, server } = fixture.lab
    // They go on sending, and nobody is left to reset their sockets.
    await Promise.all([server.recite('tcp', 22), server.recite('udp', 5000)])
    const guard = fixture.guard({ services: [strict] })
    await guard.start()
    const until = Date.now() + 3_000
    await overBoth(v => guard.open({ ...opening('strict', client[v]), until }))
    const sessions = await Promise.all(
      FAMILIES.flatMap(v => [
        client.connect('tcp', server[v], 22),
        client.connect('udp', server[v], 5000),
      ]),
    )
    await guard.kill()
    for (const session of sessions) expect(await session.speaks()).toBe(true)
    expect(Date.now(), 'the machine was too slow for this test').toBeLessThan(until)

    const allSilent = async () => {
      const silent = await Promise.all(sessions.map(session => session.isSilent()))
      expect(silent).toEqual(sessions.map(() => true))
    }
    await vi.waitFor(allSilent, PATIENCE)
    expect(Date.now()).toBeGreaterThanOrEqual(until)
    const sent = await server.recited()
    await vi.waitFor(
      async () => expect(await server.recited()).toBeGreaterThan(sent + 100),
      PATIENCE,
    )
    for (const session of sessions) expect(await session.heard()).toBe(0)
  })

  it('lets a port that cuts answer whoever is in, and begin what it likes by TCP', async () => {
    const { client, stranger, server } = fixture.lab
    await serve()
    await stranger.listen('tcp', 80)
    const wide = serviceOn('wide', [tcp(22), tcp(5022), udp(5000)], {
      onExpiry: 'cut',
      maxPrefix: { ipv4: 112, ipv6: 48 },
    })
    const allow = FAMILIES.map(v => parseNetwork(stranger[v])!)
    const guard = fixture.guard({ services: [wide], allow })
    await guard.start()
    await guard.open(opening('wide', '10.77.0.0/16'))
    await guard.open(opening('wide', 'fd77::/48'))
    await overBoth(async v => {
      expect(await client.reach('tcp', server[v], 22)).toBe('open')
      expect(await client.reach('udp', server[v], 5000)).toBe('open')
    })
    await guard.close(opening('wide', '10.77.0.0/16'))
    await guard.close(opening('wide', 'fd77::/48'))
    await overBoth(async v => {
      expect(await client.probe('tcp', server[v], 22)).toBe('silent')
      expect(await stranger.reach('tcp', server[v], 22), 'always allowed').toBe('open')
    })
    await guard.configure({ services: [wide], allow: [] })
    await overBoth(async v => {
      expect(await stranger.probe('tcp', server[v], 22)).toBe('silent')
      const session = await server.connect('tcp', stranger[v], 80, { localPort: 5022 })
      expect(await session.speaks()).toBe(true)
    })
  })

  it('cuts many at once, and spares of them whom another opening admits', async () => {
    const { client, stranger, server } = fixture.lab
    await serve()
    const guard = fixture.guard({ services: [strict, game] })
    await guard.start()
    const doors = Array.from({ length: 250 }, (_, i) => opening('strict', `198.51.100.${i}`))
    const theirs = FAMILIES.flatMap(v => [client, stranger].map(host => opening('strict', host[v])))
    const kept = FAMILIES.map(v => opening('game', stranger[v]))
    await Promise.all([...doors, ...theirs, ...kept].map(door => guard.open(door)))
    const connect = (host: typeof client) =>
      Promise.all(FAMILIES.map(v => host.connect('tcp', server[v], 22)))
    const [cut, spared] = await Promise.all([connect(client), connect(stranger)])
    await Promise.all([...doors, ...theirs].map(door => guard.close(door)))
    for (const session of cut) {
      await vi.waitFor(async () => expect(await session.state()).toBe('reset'), PATIENCE)
    }
    for (const session of spared) expect(await session.speaks()).toBe(true)
    expect((await guard.list()).map(({ service }) => service)).toEqual(['game', 'game'])
  })

  it('cuts whoever came by a wide opening, however many others admit some of them', async () => {
    const { client, server } = fixture.lab
    await serve()
    const wide = serviceOn('wide', [tcp(22)], { maxPrefix: { ipv4: 112, ipv6: 48 } })
    const guard = fixture.guard({ services: [game, wide] })
    const others = Array.from({ length: 4_600 }, (_, i) =>
      opening('game', `10.77.${100 + (i >> 8)}.${i & 255}`),
    )
    const all = opening('wide', '10.77.0.0/16')
    await guard.startWith([all, ...others])
    const session = await client.connect('tcp', server.v4, 22)
    await guard.close(all)
    await guard.cut(all)
    await vi.waitFor(async () => expect(await session.state()).toBe('reset'), PATIENCE)
    expect(guard.kinds()).toEqual(['guard-up'])
  })
})
