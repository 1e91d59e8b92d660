import { expect, it } from 'vitest'
import type { Guard } from '../../server/src/hooks/guard/kernel.ts'
import { zonesOf } from '../../server/src/hooks/guard/zones.ts'
import { renderScript } from '../../server/src/hooks/ipset/boot-script.ts'
import { renderFile } from '../../server/src/hooks/nftables/ruleset.ts'
import { BY_HAND } from './by-hand.ts'
import { describeGuards, opening, overBoth, serviceOn, tcp, udp } from './fixture.ts'

const KNOCKS = 62_201
const services = [serviceOn('ssh', [tcp(22)]), serviceOn('game', [udp(5000)], { onExpiry: 'cut' })]
const guard: Guard = { zones: zonesOf(services), allow: [], spaPorts: [KNOCKS] }

/** What the boot unit feeds to which program, with no more rights than it has. */
const BOOT = {
  nftables: { program: ['nft', '-f', '-'], text: renderFile(guard), rights: '+net_admin' },
  ipset: { program: ['sh'], text: renderScript(guard), rights: '+net_admin,+net_raw' },
}

describeGuards('the guard at boot', (fixture, backend) => {
  const { program, text, rights } = BOOT[backend]
  const confined = ['setpriv', '--no-new-privs', `--bounding-set=-all,${rights}`, '--']
  const load = () => fixture.lab.server.tryRun([...confined, ...program], text)

  it('closes all before any daemon, which takes it over and lets nothing slip', async () => {
    const { client, stranger, server } = fixture.lab
    await Promise.all([server.listen('tcp', 22), server.listen('udp', 5000)])
    expect(await stranger.reach('udp', server.v4, 5000)).toBe('open')
    expect(await load()).toEqual({ status: 0, stdout: '', stderr: '' })
    await overBoth(async v => {
      const asked = [
        stranger.probe('tcp', server[v], 22),
        stranger.probe('udp', server[v], 5000),
        stranger.probe('udp', server[v], KNOCKS),
      ]
      expect(await Promise.all(asked)).toEqual(['silent', 'silent', 'silent'])
    })

    const daemon = fixture.guard({ services, spaPorts: [KNOCKS] })
    let starting = true
    const started = daemon.start().finally(() => {
      starting = false
    })
    const flood = Array.from({ length: 200 }, () => 10)
    let answers = 0
    while (starting) answers += await stranger.spray(server.v4, 5000, flood, 1)
    await started
    expect(answers).toBe(0)
    expect(daemon.events).toMatchObject([{ kind: 'guard-up', adopted: true, openings: 0 }])
    await daemon.open(opening('ssh', client.v4))
    expect(await client.reach('tcp', server.v4, 22)).toBe('open')
  })

  it('is not put in the place of one that is there; and is back when that was taken', async () => {
    const { client, stranger, server } = fixture.lab
    await Promise.all([22, 23].map(port => server.listen('tcp', port)))
    const newer = [...services, serviceOn('newer', [tcp(23)])]
    const daemon = fixture.guard({ services: newer, spaPorts: [KNOCKS] })
    await daemon.start()
    await daemon.open(opening('ssh', client.v4))
    const session = await client.connect('tcp', server.v4, 22)
    await daemon.kill()
    // nft refuses to create what is there, and the unit's command line puts up with that.
    expect((await load()).status).toBe(backend === 'nftables' ? 1 : 0)
    expect(await session.speaks()).toBe(true)
    expect(await client.reach('tcp', server.v4, 22)).toBe('open')
    expect(await stranger.probe('tcp', server.v4, 23), 'what the file knows not of').toBe('silent')

    await server.run('sh', '-c', BY_HAND[backend].takeAway)
    expect(await stranger.reach('tcp', server.v4, 22)).toBe('open')
    expect((await load()).status).toBe(0)
    expect(await stranger.probe('tcp', server.v4, 22)).toBe('silent')
  })
})
