import { afterAll, afterEach, beforeAll, expect, it, onTestFailed, onTestFinished } from 'vitest'
import { describeWithNamespaces, type Lab } from '../netns/lab.ts'
import { until } from '../server/kit.ts'
import type { Client, Daemon } from './daemon.ts'
import { openScene, type Scene, SSH } from './scene.ts'
import type { Sshd } from './sshd.ts'

/*
 * A port of the server that leads to sshd on a host behind it (the container of netns/lab.ts): the
 * real daemon without root, the real client, the real kernel, a real sshd. The server itself has
 * nothing at that port.
 */

const LED = 2222
const LIFETIME_S = 4
/** Milliseconds by which its end may be late, and be seen, on a busy machine. */
const LATE_MS = 5_000

const SERVICES = `
[services.inner]
ports = ["tcp/${LED}"]
forward = ["10.88.0.2:${SSH}", "[fd88::2]:${SSH}"]
lifetime = "${LIFETIME_S}s"
max_lifetime = "1m"
`

describeWithNamespaces('one packet opens a port that leads to a host behind', () => {
  let scene: Scene
  let lab: Lab
  let daemon: Daemon
  let client: Client
  let sshd: Sshd

  beforeAll(async () => {
    // It speaks now and then by itself: a session that was cut is told so when it does.
    const own = ['ClientAliveInterval 1', 'ClientAliveCountMax 30']
    scene = await openScene({ services: SERVICES, sshd: { on: 'container', own } })
    ;({ lab, daemon, client, sshd } = scene)
  })
  afterEach(() => Promise.all([lab.client.rest(), lab.stranger.rest()]))
  afterAll(() => scene?.close())

  const somebody = async () => {
    const enrolment = await scene.somebody('inner')
    // The next try begins with a door that is shut.
    onTestFailed(async () => {
      await client.run(['close', enrolment.user])
    })
    return enrolment
  }

  const login = (place: string) => {
    const session = sshd.login(lab.client, place, LED)
    onTestFinished(() => session.end())
    return session
  }

  const places = () => [lab.server.v4, lab.server.v6]

  async function strangerMeetsSilence(): Promise<void> {
    const answers = places().map(place => lab.stranger.probe('tcp', place, LED))
    expect(await Promise.all(answers)).toEqual(['silent', 'silent'])
  }

  const closes = (address: string) =>
    until(
      () => lab.client.probe('tcp', address, LED),
      answer => answer === 'silent',
      LIFETIME_S * 1000 + LATE_MS,
    )

  it('to the client until the grant ends, on either family, and to nobody else; ssh lives on', async () => {
    for (const [own, place] of [
      [lab.client.v4, lab.server.v4],
      [lab.client.v6, lab.server.v6],
    ] as const) {
      const alice = await somebody()
      await strangerMeetsSilence()
      expect(await lab.client.probe('tcp', place, LED)).toBe('silent')
      const knocked = await client.knock(alice, 'inner', '--address', own)
      expect(knocked).toMatchObject({ status: 0, said: { status: 'opened', lifetime: LIFETIME_S } })
      const session = login(place)
      expect(await session.speaks('hello')).toBe(true)
      await strangerMeetsSilence()
      await closes(place)
      await strangerMeetsSilence()
      expect(await session.speaks('still here')).toBe(true)
    }
  }, 60_000)

  it('and a user who is locked is out at once, with the session that outlived its grant', async () => {
    const alice = await somebody()
    expect((await client.knock(alice, 'inner')).status).toBe(0)
    const session = login(lab.server.v4)
    expect(await session.speaks('hello')).toBe(true)
    await closes(lab.server.v4)
    expect(await session.speaks('still here')).toBe(true)
    expect(await daemon.command('user', 'lock', alice.user)).toMatchObject({ status: 0 })
    // What is typed meets a reset, and ssh gives up.
    await expect(session.speaks('anybody?')).rejects.toThrow()
    expect(await session.ended()).toBe(255)
    expect(await lab.client.probe('tcp', lab.server.v4, LED)).toBe('silent')
    // The inner host's end of it is over as well.
    await until(
      () => lab.container.run('ss', '-Htn', 'state', 'established', `sport = :${SSH}`),
      established => established === '',
      15_000,
    )
    await strangerMeetsSilence()
  }, 60_000)

  it('and shuts on time with the daemon killed right after', async () => {
    const alice = await somebody()
    expect((await client.knock(alice, 'inner')).status).toBe(0)
    await daemon.end('SIGKILL')
    try {
      const session = login(lab.server.v4)
      expect(await session.speaks('hello')).toBe(true)
      await strangerMeetsSilence()
      await closes(lab.server.v4)
      await strangerMeetsSilence()
      expect(await session.speaks('still here')).toBe(true)
    } finally {
      await daemon.start()
    }
  }, 60_000)
})
