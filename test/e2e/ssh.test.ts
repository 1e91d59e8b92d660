import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { describeWithNamespaces, type Lab } from '../netns/lab.ts'
import { until } from '../server/kit.ts'
import type { Enrolment } from './daemon.ts'
import { Laptop } from './laptop.ts'
import { openScene, type Scene, SSH } from './scene.ts'
import type { Sshd } from './sshd.ts'

/*
 * What people do behind a door: ssh, scp and git, as they are, through `ProxyCommand oneknock proxy`
 * and through `Match exec "oneknock knock --if-needed"`. Real programs, a real guard, a real gate.
 */

const GATE = 2222

const SERVICES = `
[services.ssh]
ports = ["tcp/${SSH}"]
lifetime = "30s"

[services.gated]
gate = { listen = "0.0.0.0:${GATE}", forward = "127.0.0.1:${SSH}" }
lifetime = "30s"
`

describeWithNamespaces('ssh behind a door', () => {
  let scene: Scene
  let lab: Lab
  let sshd: Sshd
  let laptop: Laptop

  beforeAll(async () => {
    scene = await openScene({ services: SERVICES, sshd: { on: 'server' } })
    ;({ lab, sshd } = scene)
  })
  afterAll(() => scene?.close())

  beforeEach(() => {
    laptop = new Laptop(lab.client)
  })
  /** The door is shut again before the next one comes. */
  afterEach(async () => {
    await laptop.run(['oneknock', 'close', 'home'])
    expect(await lab.client.probe('tcp', lab.server.v4, SSH)).toBe('silent')
    laptop.remove()
  })

  async function somebody(services = 'ssh', ...flags: string[]): Promise<Enrolment> {
    const enrolment = await scene.enrol(services)
    const codes = flags.length > 0 ? flags : ['--otp-command', laptop.codes('home', enrolment)]
    await laptop.add('home', enrolment, ...codes)
    return enrolment
  }

  const PROXY = (host = lab.server.v4) => [
    'Host home',
    `HostName ${host}`,
    'ProxyCommand oneknock proxy home %h %p',
  ]
  const MATCH = (host = lab.server.v4) => [
    'Match originalhost home exec "oneknock knock home --if-needed"',
    'Host home',
    `HostName ${host}`,
  ]
  const ssh = (...command: string[]) =>
    laptop.run(['ssh', '-F', join(laptop.folder, 'ssh_config'), 'home', ...command])

  describe.each([
    ['ProxyCommand', PROXY],
    ['Match exec', MATCH],
  ])('%s', (_name, blocks) => {
    it('opens the door for ssh, and for nobody else', async () => {
      await somebody()
      laptop.sshConfig(sshd.identity, ...blocks())
      expect(await ssh('echo', 'in')).toEqual({ status: 0, stdout: 'in\n', stderr: '' })
      expect(await lab.stranger.probe('tcp', lab.server.v4, SSH)).toBe('silent')
      expect(await ssh('exit', '7')).toMatchObject({ status: 7, stderr: '' })
      expect(laptop.given('home')).toBe(1)
    })

    it('does so over IPv6', async () => {
      await somebody('ssh')
      // The invitation leads over IPv4: the other family's address has to be named.
      const profile = join(laptop.folder, 'config', 'oneknock', 'home.json')
      const kept = JSON.parse(readFileSync(profile, 'utf8'))
      writeFileSync(profile, JSON.stringify({ ...kept, address: lab.client.v6 }))
      laptop.sshConfig(sshd.identity, ...blocks(lab.server.v6))
      expect(await ssh('echo', 'in')).toEqual({ status: 0, stdout: 'in\n', stderr: '' })
    })

    it('opens it once for ssh and scp that start together', async () => {
      await somebody()
      const file = laptop.sshConfig(sshd.identity, ...blocks())
      const bytes = 'a line of some length\n'.repeat(10_000)
      writeFileSync(join(laptop.folder, 'out'), bytes)
      const copies = [1, 2].map(n =>
        laptop.run([
          'scp',
          '-q',
          '-F',
          file,
          join(laptop.folder, 'out'),
          `home:${laptop.folder}/in-${n}`,
        ]),
      )
      const runs = await Promise.all([...copies, ...[1, 2, 3].map(n => ssh('echo', `${n}`))])
      expect(runs.map(({ status, stdout, stderr }) => [status, stdout, stderr])).toEqual([
        [0, '', ''],
        [0, '', ''],
        [0, '1\n', ''],
        [0, '2\n', ''],
        [0, '3\n', ''],
      ])
      for (const n of [1, 2]) {
        expect(readFileSync(join(laptop.folder, `in-${n}`), 'utf8')).toBe(bytes)
      }
      expect(laptop.given('home')).toBe(1)
    })

    it('lets git clone and push', async () => {
      await somebody()
      laptop.sshConfig(sshd.identity, ...blocks())
      const [bare, work] = [join(laptop.folder, 'bare.git'), join(laptop.folder, 'work')]
      const git = async (...args: string[]) => {
        const ran = await laptop.run(['git', '-c', 'user.name=a', '-c', 'user.email=a@b', ...args])
        expect(ran).toMatchObject({ status: 0 })
        return ran.stdout
      }
      await git('init', '-q', '--bare', '-b', 'main', bare)
      await git('clone', '-q', `home:${bare}`, work)
      writeFileSync(join(work, 'file'), 'text')
      await git('-C', work, 'add', 'file')
      await git('-C', work, 'commit', '-q', '-m', 'a change')
      await git('-C', work, 'push', '-q', 'origin', 'HEAD:main')
      expect(await git('--git-dir', bare, 'log', '--format=%s', 'main')).toBe('a change\n')
      expect(laptop.given('home')).toBe(1)
    })

    it('asks by SSH_ASKPASS where there is no terminal', async () => {
      const { secret } = await somebody('ssh', '--name', 'home')
      laptop.sshConfig(sshd.identity, ...blocks())
      const askpass = join(laptop.folder, 'askpass')
      const script = `#!/bin/sh\necho "$1" >> ${laptop.folder}/questions\noathtool --totp -b ${secret}\n`
      writeFileSync(askpass, script, { mode: 0o755 })
      laptop.env.SSH_ASKPASS = askpass
      expect(await ssh('echo', 'in')).toEqual({ status: 0, stdout: 'in\n', stderr: '' })
      expect(readFileSync(join(laptop.folder, 'questions'), 'utf8')).toBe('Code for home: \n')
    })

    it('says in one line why it does not, and ssh ends', async () => {
      await somebody('ssh', '--otp-command', 'echo 000000')
      laptop.sshConfig(sshd.identity, ...blocks(), '  ConnectTimeout 5')
      const ran = await ssh('echo', 'in')
      expect(ran).toMatchObject({ status: 255, stdout: '' })
      expect(ran.stderr).toMatch(/^oneknock: refused: the code is wrong.*$/m)
    })
  })

  it('leaves a session alone when the door is shut behind it', async () => {
    await somebody()
    laptop.sshConfig(sshd.identity, ...PROXY())
    const [inside, shut] = [join(laptop.folder, 'inside'), join(laptop.folder, 'shut')]
    const stays = `touch ${inside}; while [ ! -e ${shut} ]; do sleep 0.1; done; echo still here`
    const session = ssh('sh', '-c', `'${stays}'`)
    // Open is not yet in: whoever shuts it in between shuts ssh out.
    await until(
      () => existsSync(inside),
      isInside => isInside,
      15_000,
    )
    expect((await laptop.run(['oneknock', 'close', 'home'])).stdout).toMatch(/^closed: ssh/)
    expect(await lab.client.probe('tcp', lab.server.v4, SSH)).toBe('silent')
    writeFileSync(shut, '')
    expect(await session).toMatchObject({ status: 0, stdout: 'still here\n' })
  })

  it('goes through a gate, which takes strangers’ connections and hangs up', async () => {
    await somebody('gated')
    laptop.sshConfig(sshd.identity, ...PROXY(), `Port ${GATE}`)
    expect(await ssh('echo', 'in')).toEqual({ status: 0, stdout: 'in\n', stderr: '' })
    expect(await ssh('echo', 'again')).toMatchObject({ stdout: 'again\n' })
    expect(laptop.given('home')).toBe(1)
  })

  it('runs a command behind a door, and closes it after that', async () => {
    await somebody()
    const file = laptop.sshConfig(sshd.identity, 'Host home', `HostName ${lab.server.v4}`)
    const run = (...flags: string[]) =>
      laptop.run(['oneknock', 'exec', 'home', ...flags, '--', 'ssh', '-F', file, 'home', 'exit 3'])
    expect(await run('--close')).toEqual({ status: 3, stdout: '', stderr: '' })
    expect(await lab.client.probe('tcp', lab.server.v4, SSH)).toBe('silent')
  })

  it('waits for the next code when this half minute’s is used', async () => {
    await somebody()
    const run = () => laptop.run(['oneknock', 'exec', 'home', '--', 'true'])
    await run()
    const again = await run()
    expect(again).toMatchObject({ status: 0 })
    expect(again.stderr).toMatch(/^oneknock: this code was used already: waiting \d+ s/)
    expect(laptop.given('home')).toBe(3)
  }, 60_000)

  it('keeps a door open while the address moves, and closes it at the end', async () => {
    const moved = '10.77.12.99'
    await lab.client.run('sysctl', '-qw', 'net.ipv4.conf.eth0.promote_secondaries=1')
    await somebody()
    const watch = laptop.start(['oneknock', 'knock', 'home', '--watch', '--close', '--json'])
    const ended = once(watch, 'close')
    let said = ''
    watch.stdout!.on('data', chunk => {
      said += chunk
    })
    const seen = () => said.split('\n').filter(line => line.includes('"opened"'))
    try {
      await until(seen, lines => lines.length === 1, 10_000)
      expect(await lab.client.probe('tcp', lab.server.v4, SSH, { limitMs: 2000 })).toBe('open')
      await lab.client.run('ip', 'address', 'add', `${moved}/16`, 'dev', 'eth0')
      await lab.client.run('ip', 'address', 'del', `${lab.client.v4}/16`, 'dev', 'eth0')
      const lines = await until(seen, found => found.length === 2, 45_000)
      expect(JSON.parse(lines[1]!)).toMatchObject({ addresses: [moved] })
      expect(said).toContain('"moved"')
      expect(await lab.client.probe('tcp', lab.server.v4, SSH, { limitMs: 2000 })).toBe('open')
      watch.kill('SIGTERM')
      expect(await ended).toEqual([0, null])
      expect(await lab.client.probe('tcp', lab.server.v4, SSH)).toBe('silent')
    } finally {
      watch.kill()
      await ended
      await lab.client.run('ip', 'address', 'replace', `${lab.client.v4}/16`, 'dev', 'eth0')
      await lab.client.tryRun(['ip', 'address', 'del', `${moved}/16`, 'dev', 'eth0'])
    }
  }, 90_000)

  it('is looked over by the doctor, before the knock and behind it', async () => {
    await somebody()
    const place = `${lab.server.v4}:${SSH}`
    const before = await laptop.run(['oneknock', 'doctor', 'home'])
    expect(before).toMatchObject({ status: 0, stderr: '' })
    expect(before.stdout).toContain(`the server sees ${lab.client.v4}, this machine's own`)
    expect(await lab.client.probe('tcp', lab.server.v4, SSH)).toBe('silent')
    const after = await laptop.run(['oneknock', 'doctor', 'home', '--knock', '--port', place])
    expect(after.status).toBe(0)
    expect(after.stdout).toContain('answers now, and did not before')
  })
})
