import { expect, it, vi } from 'vitest'
import { addForeign, BY_HAND, foreignRules, isThere } from './by-hand.ts'
import { describeGuards, opening, serviceOn, tcp, udp, useLab } from './fixture.ts'
import type { Guard } from './guard.ts'
import { describeWithNamespaces } from './lab.ts'

const PATIENCE = { timeout: 10_000, interval: 20 }

/**
 * Milliseconds by which an end may differ that is read from the kernel: it counts from when it is told,
 * ipset in seconds, and a busy machine tells it late. The ends of these tests are ten seconds apart.
 */
const ROUNDING = 4_000

const ssh = serviceOn('ssh', [tcp(22)])
const game = serviceOn('game', [udp(5000)])

const restored = (guard: Guard) =>
  vi.waitFor(() => expect(guard.kinds()).toContain('guard-restored'), PATIENCE)

describeGuards('the guard itself', (fixture, backend) => {
  const { damages, takeAway, takeOurs, letIn } = BY_HAND[backend]
  const byHand = (command: string) => fixture.lab.server.run('sh', '-c', command)

  it.each(damages)('is put back after "%s", with who was in and nobody else', async (_, damage) => {
    const { client, stranger, server } = fixture.lab
    await Promise.all([server.listen('tcp', 22), server.listen('udp', 5000)])
    const guard = fixture.guard({ services: [ssh, game] })
    await guard.start()
    await guard.open(opening('ssh', client.v4))
    const granted = await client.connect('tcp', server.v4, 22)
    /** A flow that outlives its door. */
    const outlives = async (protocol: 'tcp' | 'udp', v: 'v4' | 'v6') => {
      const door = opening(protocol === 'tcp' ? 'ssh' : 'game', client[v])
      await guard.open(door)
      const session = await client.connect(protocol, server[v], protocol === 'tcp' ? 22 : 5000)
      await guard.close(door)
      return session
    }
    const sessions = [granted, await outlives('udp', 'v4')]
    await count(guard)
    // Not counted, but it has a socket; what has none is known to the kernel alone.
    sessions.push(await outlives('tcp', 'v6'))
    if (damage.knowsWhoIsLive) sessions.push(await outlives('udp', 'v6'))

    guard.pause()
    await byHand(damage.command)
    const slipped = damage.opens && (await stranger.connect('tcp', server.v4, 22))
    guard.resume()
    await restored(guard)

    for (const session of sessions) expect(await session.speaks()).toBe(true)
    if (slipped) expect(await slipped.isSilent()).toBe(true)
    expect(await client.reach('tcp', server.v4, 22)).toBe('open')
    const others = [client.probe('tcp', server.v6, 22), stranger.probe('tcp', server.v4, 22)]
    expect(await Promise.all(others)).toEqual(['silent', 'silent'])
    expect(await guard.list()).toHaveLength(1)
    expect(guard.kinds()).toEqual(['guard-up', 'guard-lost', 'guard-restored'])
  })

  it('is put back by a knock that finds it gone', async () => {
    const { client, stranger, server } = fixture.lab
    await server.listen('tcp', 22)
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    for (const deaf of guard.children('monitor')) process.kill(deaf)
    await byHand(takeAway)
    await guard.open(opening('ssh', client.v4))
    expect(guard.kinds()).toEqual(['guard-up', 'guard-lost', 'guard-restored'])
    expect(await client.reach('tcp', server.v4, 22)).toBe('open')
    expect(await stranger.probe('tcp', server.v4, 22)).toBe('silent')
  })

  it('is the only one that is touched', async () => {
    const { client, server } = fixture.lab
    await addForeign[backend](server)
    const before = await foreignRules[backend](server)
    const guard = fixture.guard({ services: [ssh, game], spaPorts: [62201] })
    await guard.start()
    await guard.open(opening('ssh', client.v4))
    await guard.configure({ services: [ssh] })
    await guard.cut(opening('ssh', client.v4))
    await byHand(takeOurs)
    await restored(guard)
    await guard.close(opening('ssh', client.v4))
    await guard.stop()
    expect(before).toContain('friends')
    expect(await foreignRules[backend](server)).toBe(before)
    expect(await isThere[backend](server)).toBe(true)
  })

  it('is taken over from a daemon that was killed', async () => {
    const { client, stranger, server } = fixture.lab
    await Promise.all([server.listen('tcp', 22), server.listen('udp', 5000)])
    const wide = serviceOn('wide', [tcp(22), tcp(23)])
    const services = [ssh, game, wide]
    const first = fixture.guard({ services })
    await first.start()
    const doors = [
      opening('ssh', client.v4),
      opening('ssh', '2001:db8:0:1::/64', 50_000),
      opening('game', client.v4, 40_000),
      opening('wide', '198.51.100.7', 30_000),
    ]
    for (const door of [...doors, opening('ssh', client.v6)]) await first.open(door)
    const ended = await client.connect('tcp', server.v6, 22)
    await first.close(opening('ssh', client.v6))
    await first.kill()
    // Somebody was let in by hand, and for ever.
    await byHand(letIn(stranger.v4))
    expect(await stranger.reach('tcp', server.v4, 22)).toBe('open')

    const second = fixture.guard({ services })
    await second.start()
    expect(second.events).toMatchObject([{ kind: 'guard-up', adopted: true }])
    const listed = await second.list()
    // What is open for 198.51.100.7 is what `ssh` would open, and more: without a ledger both are meant.
    expect(listed.map(({ service }) => service).sort()).toEqual([
      'game',
      'ssh',
      'ssh',
      'ssh',
      'wide',
    ])
    for (const door of doors) {
      const found = listed.find(
        ({ service, network }) =>
          service === door.service && network.address === door.network.address,
      )
      expect(Math.abs(found!.until - door.until)).toBeLessThan(ROUNDING)
    }
    expect(await ended.speaks()).toBe(true)
    expect(await client.reach('tcp', server.v4, 22)).toBe('open')
    expect(await client.reach('udp', server.v4, 5000)).toBe('open')
    expect(await stranger.probe('tcp', server.v4, 22)).toBe('silent')
  })

  it('starts with the doors that are wanted, and tells what else an earlier run left open', async () => {
    const { client, stranger, server } = fixture.lab
    await Promise.all([server.listen('tcp', 22), server.listen('udp', 5000)])
    const services = [ssh, game]
    const first = fixture.guard({ services })
    await first.start()
    const left = opening('ssh', stranger.v4)
    for (const door of [left, opening('ssh', client.v4, 20_000)]) await first.open(door)
    await first.kill()

    const wanted = [
      // Its end has moved; the others are new.
      opening('ssh', client.v4, 30_000),
      opening('ssh', '2001:db8:0:1::/64', 50_000),
      opening('game', client.v4, 40_000),
    ]
    const second = fixture.guard({ services })
    const found = await second.startWith([...wanted, opening('gone', client.v4)])
    expect(second.events).toMatchObject([{ kind: 'guard-up', adopted: true, openings: 4 }])
    expect(found).toHaveLength(4)
    expect(found).toEqual(expect.arrayContaining(wanted))
    expect(await second.list()).toEqual(expect.arrayContaining(wanted))
    expect(await client.reach('udp', server.v4, 5000)).toBe('open')
    expect(await stranger.reach('tcp', server.v4, 22)).toBe('open')
    const stray = found.find(({ network }) => network.address === left.network.address)!
    await second.close(stray)
    expect(await stranger.probe('tcp', server.v4, 22)).toBe('silent')

    // What the kernel was told, whoever reads it: all with their own ends.
    await second.kill()
    const third = fixture.guard({ services })
    await third.start()
    const told = await third.list()
    expect(told).toHaveLength(wanted.length)
    for (const { service, network, until } of wanted) {
      const door = told.find(
        other => other.service === service && other.network.address === network.address,
      )
      expect(Math.abs(door!.until - until)).toBeLessThan(ROUNDING)
    }
  })

  it('shuts what was open more widely than its successor allows', async () => {
    const { client, server } = fixture.lab
    await server.listen('tcp', 22)
    const first = fixture.guard({ services: [ssh] })
    await first.start()
    await first.open(opening('ssh', '10.77.12.0/24'))
    await first.open(opening('ssh', server.v4))
    expect(await client.reach('tcp', server.v4, 22)).toBe('open')
    await first.kill()
    const narrow = serviceOn('ssh', [tcp(22)], { maxPrefix: { ipv4: 128, ipv6: 128 } })
    const second = fixture.guard({ services: [narrow] })
    await second.start()
    expect((await second.list()).map(({ network }) => network.address)).toEqual([server.v4])
    expect(await client.probe('tcp', server.v4, 22)).toBe('silent')
  })

  it('opens nothing new when it is taken over with services that share a port', async () => {
    const { client, server } = fixture.lab
    await Promise.all([server.listen('tcp', 22), server.listen('tcp', 23)])
    const first = fixture.guard({ services: [ssh] })
    await first.start()
    await first.open(opening('ssh', client.v4))
    await first.kill()
    const second = fixture.guard({ services: [ssh, serviceOn('all', [tcp(22), tcp(23)])] })
    await second.start()
    expect((await second.list()).map(({ service }) => service)).toEqual(['ssh'])
    expect(await client.probe('tcp', server.v4, 23)).toBe('silent')
    expect(await client.reach('tcp', server.v4, 22)).toBe('open')
  })

  it.each(['start', 'configure'] as const)(
    'lets who talks to a newly guarded port go on: %s',
    async how => {
      const { client, server } = fixture.lab
      await Promise.all([22, 23].map(port => server.listen('tcp', port)))
      const first = fixture.guard({ services: [ssh] })
      await first.start()
      await first.open(opening('ssh', client.v4))
      const old = await client.connect('tcp', server.v4, 22)
      const other = await client.connect('tcp', server.v4, 23)
      await first.close(opening('ssh', client.v4))
      const services = [ssh, serviceOn('telnet', [tcp(23)])]
      if (how === 'configure') {
        await first.configure({ services })
      } else {
        await first.kill()
        await fixture.guard({ services }).start()
      }
      expect(await client.probe('tcp', server.v4, 23)).toBe('silent')
      expect(await other.speaks()).toBe(true)
      expect(await old.speaks()).toBe(true)
    },
  )

  it('takes up another configuration, whole or not at all', async () => {
    const { client, server } = fixture.lab
    await Promise.all([22, 23].map(port => server.listen('tcp', port)))
    const telnet = serviceOn('telnet', [tcp(23)])
    const guard = fixture.guard({ services: [ssh, telnet] })
    await guard.start()
    await guard.open(opening('ssh', client.v4))
    await guard.open(opening('telnet', client.v4))

    const impossible = serviceOn('impossible', [tcp(70_000)])
    await expect(guard.configure({ services: [impossible] })).rejects.toMatchObject({
      code: 'failed',
    })
    expect(await guard.list()).toHaveLength(2)
    expect(await client.reach('tcp', server.v4, 23)).toBe('open')

    await guard.configure({ services: [ssh, serviceOn('telnet', [tcp(23), tcp(24)])] })
    expect((await guard.list()).map(({ service }) => service)).toEqual(['ssh'])
    expect(await client.reach('tcp', server.v4, 22)).toBe('open')
    expect(await client.probe('tcp', server.v4, 23)).toBe('silent')
    await guard.close(opening('telnet', client.v4))
    expect(guard.kinds()).toEqual(['guard-up'])
  })

  it('lets nothing slip while it takes the place of another', async () => {
    const { stranger, server } = fixture.lab
    await server.listen('udp', 5000)
    const guard = fixture.guard({ services: [game] })
    await guard.start()
    let swapping = true
    const swapped = (async () => {
      for (let n = 0; n < 6; n++) await guard.configure({ services: n % 2 ? [game] : [game, ssh] })
    })().finally(() => {
      swapping = false
    })
    const flood = Array.from({ length: 500 }, () => 10)
    let [sprays, answers] = [0, 0]
    for (; swapping; sprays++) answers += await stranger.spray(server.v4, 5000, flood, 1)
    await swapped
    expect(answers).toBe(0)
    expect(sprays).toBeGreaterThan(1)
  })
})

/** Nobody tells of rules of iptables that change: there the heartbeat finds out. */
describeWithNamespaces('nftables: a guard that is taken away', () => {
  const fixture = useLab()

  it('is put back at once, without waiting for a heartbeat', async () => {
    const { server } = fixture.lab
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    const took: number[] = []
    for (let n = 1; n <= 5; n++) {
      const flushed = performance.now()
      await server.nft('flush ruleset')
      await vi.waitFor(() => {
        expect(guard.kinds().filter(kind => kind === 'guard-restored')).toHaveLength(n)
      }, PATIENCE)
      took.push(performance.now() - flushed)
    }
    // One heartbeat puts it back, and the next comes a second later: none but the first would be so soon.
    expect(Math.min(...took.slice(1))).toBeLessThan(500)
  })
})

/** A cut of nobody, for which the live flows are counted. */
const count = (guard: Guard): Promise<void> => guard.cut(opening('ssh', '192.0.2.1'))
