import { expect, it, vi } from 'vitest'
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
})
