import { parseAddress } from '@oneknock/shared'
import { expect, it, vi } from 'vitest'
import { zonesOf } from '../../server/src/hooks/guard/zones.ts'
import { renderFile } from '../../server/src/hooks/nftables/ruleset.ts'
import { opening, overBoth, serviceOn, tcp, useLab } from './fixture.ts'
import { describeWithNamespaces } from './lab.ts'

const PATIENCE = { timeout: 15_000, interval: 100 }
/** Milliseconds: a beat is a second, and the machine may be busy. */
const IF_DEAD = 6_000

describeWithNamespaces('nftables: a guard that lets go when its daemon is dead', () => {
  const fixture = useLab()

  it('never while it lives, whatever happens; by itself when it does not; and is back with it', async () => {
    const { client, stranger, server } = fixture.lab
    await Promise.all([22, 23].map(port => server.listen('tcp', port)))
    const strict = serviceOn('strict', [tcp(23)], { onExpiry: 'cut' })
    const services = [serviceOn('ssh', [tcp(22)]), strict]
    const guard = fixture.guard({ services, ifDead: IF_DEAD })
    await guard.start()
    await guard.open(opening('ssh', client.v4))
    const began = Date.now()
    await server.nft('flush ruleset')
    await vi.waitFor(() => expect(guard.kinds()).toContain('guard-restored'), PATIENCE)
    while (Date.now() < began + IF_DEAD + 2_000) {
      await overBoth(async v => expect(await stranger.probe('tcp', server[v], 22)).toBe('silent'))
    }
    expect(guard.kinds()).toEqual(['guard-up', 'guard-lost', 'guard-restored'])
    expect(await client.reach('tcp', server.v4, 22)).toBe('open')

    await guard.kill()
    expect(await stranger.probe('tcp', server.v4, 22)).toBe('silent')
    await overBoth(v =>
      vi.waitFor(
        async () => expect(await stranger.probe('tcp', server[v], 22)).toBe('open'),
        PATIENCE,
      ),
    )
    expect(await stranger.reach('tcp', server.v4, 23), 'answers leave, too').toBe('open')
    const meanwhile = await stranger.connect('tcp', server.v4, 22)

    const next = fixture.guard({ services, ifDead: IF_DEAD })
    await next.start()
    expect(await stranger.probe('tcp', server.v4, 22)).toBe('silent')
    expect(await meanwhile.speaks('judged by nobody')).toBe(true)
    expect(await client.reach('tcp', server.v4, 22)).toBe('open')
    await next.configure({ services })
    const rules = await server.run('nft', 'list', 'table', 'inet', 'oneknock')
    expect(rules).toContain('@lease')
  })

  it('is the same at boot, before any daemon: all is closed, leads too, and its lease runs out', async () => {
    const { client, stranger, server, container } = fixture.lab
    await Promise.all([server.listen('tcp', 22), container.listen('tcp', 22)])
    const to = ['10.88.0.2', 'fd88::2'].map(text => ({ address: parseAddress(text)!, port: 22 }))
    const inner = serviceOn('inner', [tcp(2222)], { forward: { to, masquerade: false } })
    const zones = zonesOf([serviceOn('ssh', [tcp(22)]), inner])
    const boot = (ifDead: number | undefined) =>
      renderFile({ zones, allow: [], spaPorts: [62_201], ifDead })
    const allShut = () =>
      overBoth(async v => {
        for (const port of [22, 2222]) {
          expect(await stranger.probe('tcp', server[v], port)).toBe('silent')
        }
      })

    await server.nft(boot(undefined))
    await allShut()
    await server.nft('delete table inet oneknock')

    await server.nft(boot(IF_DEAD))
    await allShut()
    await overBoth(async v => {
      const opened = async () => expect(await stranger.probe('tcp', server[v], 22)).toBe('open')
      await vi.waitFor(opened, PATIENCE)
      // A port that leads on has nothing of its own, and translates for nobody without a grant.
      expect(await client.probe('tcp', server[v], 2222)).not.toBe('open')
    })
    expect(await container.connections()).toBe(0)
  })
})
