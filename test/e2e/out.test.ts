import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeWithNamespaces, type Lab, openLab } from '../netns/lab.ts'
import { until } from '../server/kit.ts'
import { buildDaemon, Client, Daemon } from './daemon.ts'

/*
 * Somebody is put out while the services that they are connected to go on sending: what was open is
 * closed, and not a byte gets through any more, in either direction.
 */

/** Two of the host's own services, and two of a container's that the host publishes. */
const PORTS = [
  ['tcp', 22],
  ['udp', 5000],
  ['tcp', 8080],
  ['udp', 8081],
] as const
const VERSES = 240

const config = (service: string) => () =>
  `
listen = ["[::]:62201"]
public = "10.77.0.1:62201"
state = "state"

[firewall]
backend = "nftables"

[services.all]
ports = ${JSON.stringify(PORTS.map(([protocol, port]) => `${protocol}/${port}`))}
${service}
`
const AN_HOUR = 'lifetime = "1h"\nmax_lifetime = "1h"'
/** Long enough for all to have been heard before. */
const CUT_SOON = 'lifetime = "8s"\non_expiry = "cut"'

describeWithNamespaces('who is out is out', () => {
  let lab: Lab
  let program: Awaited<ReturnType<typeof buildDaemon>>
  let client: Client
  let daemon: Daemon | undefined

  beforeAll(async () => {
    ;[lab, program] = await Promise.all([openLab(), buildDaemon()])
    const { server, container } = lab
    await server.nft(`
      table ip published {
        chain prerouting {
          type nat hook prerouting priority dstnat
          fib daddr type local tcp dport 8080 dnat to ${container.v4}:80
          fib daddr type local udp dport 8081 dnat to ${container.v4}:81
        }
      }`)
  })
  beforeEach(() => {
    client = new Client(lab.client)
  })
  afterEach(async () => {
    client.remove()
    await daemon?.remove()
    daemon = undefined
    await Promise.all([lab.client, lab.server, lab.container].map(host => host.rest()))
  })
  afterAll(async () => {
    await lab?.close()
    program?.remove()
  })

  /** Verses of all services together, so that each has said enough to be heard. */
  const verses = async () => (await lab.container.recited()) + (await lab.server.recited())

  /** All four services heard by somebody who was let in. */
  const listening = async (service: string) => {
    const { server, container } = lab
    daemon = new Daemon(server, program.path, config(service))
    await daemon.start()
    await Promise.all([
      ...[server.recite('tcp', 22), server.recite('udp', 5000)],
      ...[container.recite('tcp', 80), container.recite('udp', 81)],
    ])
    const alice = await daemon.enrol('alice', 'all')
    await client.add(alice)
    expect((await client.knock(alice, 'all')).status).toBe(0)
    const sessions = await Promise.all(
      PORTS.map(([protocol, port]) => lab.client.connect(protocol, server.v4, port)),
    )
    const heard = () => Promise.all(sessions.map(session => session.heard()))
    await until(heard, counts => counts.every(count => count > 1000))
    return { daemon, sessions, heard }
  }

  const expectSilence = async ({ sessions, heard }: Awaited<ReturnType<typeof listening>>) => {
    const [last, sent] = [await heard(), await verses()]
    await until(verses, now => now - sent > VERSES)
    expect(await heard()).toEqual(last)
    // What it says itself comes nowhere either.
    for (const session of sessions) expect(await session.isSilent()).toBe(true)
    expect(await heard(), 'since it spoke').toEqual([0, 0, 0, 0])
  }

  it.each(['remove', 'lock'])(
    'user %s: not a byte more, with the servers still sending',
    async how => {
      const listener = await listening(AN_HOUR)
      const out = await listener.daemon.command('user', how, 'alice')
      expect(out).toMatchObject({ status: 0, stderr: expect.stringContaining('taken it up') })
      await expectSilence(listener)
      // Whose socket is the host's own is told so.
      expect(await listener.sessions[0]!.state()).toBe('reset')
    },
  )

  it('the end of a grant, where it cuts: not a byte more, with the servers still sending', async () => {
    const listener = await listening(CUT_SOON)
    const doors = () => lab.server.run('nft', 'list', 'set', 'inet', 'oneknock', 'host_open4_32')
    expect(await doors(), 'the machine was too slow for this test').toContain('elements')
    await until(doors, listed => !listed.includes('elements'), 15_000)
    await expectSilence(listener)
    expect(await listener.sessions[0]!.state()).toBe('reset')
  })
})
