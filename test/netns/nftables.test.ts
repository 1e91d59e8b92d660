import { expect, it, vi } from 'vitest'
import { opening, serviceOn, tcp, useLab } from './fixture.ts'
import { describeWithNamespaces } from './lab.ts'

const ssh = serviceOn('ssh', [tcp(22)])
const wide = serviceOn('wide', [tcp(22)], { maxPrefix: { ipv4: 112, ipv6: 48 } })
const FAMILIES = ['v4', 'v6'] as const
/** For what should come in the end, on a busy machine. */
const PATIENCE = { timeout: 10_000, interval: 50 }

describeWithNamespaces('nftables: who gets in', () => {
  const fixture = useLab()

  it.each(FAMILIES)('opens a port for one address alone, over %s', async v => {
    const { client, stranger, server } = fixture.lab
    await server.listen('tcp', 22)
    expect(await client.probe('tcp', server[v], 22)).toBe('open')

    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    expect(await client.probe('tcp', server[v], 22)).toBe('silent')

    await guard.open(opening('ssh', client[v]))
    expect(await client.probe('tcp', server[v], 22)).toBe('open')
    expect(await stranger.probe('tcp', server[v], 22)).toBe('silent')

    await guard.close(opening('ssh', client[v]))
    expect(await client.probe('tcp', server[v], 22)).toBe('silent')
    await server.unlisten('tcp', 22)
  })

  it.each(FAMILIES)('ends a grant on time with nobody alive to end it, over %s', async v => {
    const { client, server } = fixture.lab
    await server.listen('tcp', 22)
    const guard = fixture.guard({ services: [ssh] })
    await guard.start()
    const door = opening('ssh', client[v], 1_500)
    await guard.open(door)
    const session = await client.connect('tcp', server[v], 22)
    await guard.kill()
    expect(Date.now(), 'the machine was too slow for this test').toBeLessThan(door.until)
    expect(await client.probe('tcp', server[v], 22)).toBe('open')

    await vi.waitFor(async () => {
      expect(await client.probe('tcp', server[v], 22)).toBe('silent')
    }, PATIENCE)
    expect(Date.now()).toBeGreaterThanOrEqual(door.until)
    expect(await session.speaks(), 'what is established lives on').toBe(true)
    await server.unlisten('tcp', 22)
  })

  it.each([
    ['v4', '10.77.12.0/24', '10.77.12.0/23'],
    ['v6', 'fd77:0:0:c::/64', 'fd77:0:0:c::/63'],
  ] as const)('opens for a prefix and no further, over %s', async (v, own, both) => {
    const { client, stranger, server } = fixture.lab
    await server.listen('tcp', 22)
    const guard = fixture.guard({ services: [wide] })
    await guard.start()
    await guard.open(opening('wide', own))
    expect(await client.probe('tcp', server[v], 22)).toBe('open')
    expect(await stranger.probe('tcp', server[v], 22)).toBe('silent')

    await guard.open(opening('wide', both))
    expect(await stranger.probe('tcp', server[v], 22)).toBe('open')
    await guard.close(opening('wide', both))
    expect(await client.probe('tcp', server[v], 22)).toBe('open')
    expect(await stranger.probe('tcp', server[v], 22)).toBe('silent')
    await server.unlisten('tcp', 22)
  })
})
