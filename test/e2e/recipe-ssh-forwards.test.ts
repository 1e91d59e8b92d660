import { once } from 'node:events'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeWithNamespaces, type Lab, openLab } from '../netns/lab.ts'
import { makeKey } from '../server/hooks/sshd.ts'
import { until } from '../server/kit.ts'
import { buildDaemon, Client, Daemon, type Enrolment } from './daemon.ts'
import { Recipe } from './recipe.ts'

/*
 * docs/recipes/ssh-forwards-behind-a-code.md as it is written: the jump host is the lab's server, what
 * stands behind it is the lab's container. The daemon runs without root, guards sshd's port and hands
 * sshd the keys.
 */

const recipe = new Recipe('ssh-forwards-behind-a-code')
const MAIL = '10.88.0.2:993'
/** An account that every Debian has, with nologin as its shell; in the recipe one is made. */
const ACCOUNT = 'games'
const CONNECT = ['-o', 'ConnectTimeout=2']

describeWithNamespaces('ssh forwards behind a code', () => {
  let lab: Lab
  let program: Awaited<ReturnType<typeof buildDaemon>>
  let daemon: Daemon
  let client: Client
  let anna: Enrolment
  let folder: string
  let keys: string
  /** What the recipe adds to her file. */
  let line: string

  beforeAll(async () => {
    ;[lab, program] = await Promise.all([openLab(), buildDaemon()])
    folder = mkdtempSync('/run/okh-recipe-')
    daemon = new Daemon(lab.server, program.path, state =>
      recipe.file('/etc/oneknock/oneknockd.toml', {
        'jump.example.com:62201': `${lab.server.v4}:62201`,
        'mail.internal:993': MAIL,
        '"jump"': `"${ACCOUNT}"`,
        '/var/lib/oneknock': `${state}/state`,
      }),
    )
    keys = join(daemon.folder, 'state', 'jump.keys')
    await startSshd()
    for (const port of [993, 5432, 80]) await startInner(port)
    const [laptop, desk] = [makeKey(folder, 'laptop'), makeKey(folder, 'desk')]
    line = recipe.file('/etc/oneknock/users/anna.toml', {
      'ssh-ed25519 AAAA… anna@laptop': `${laptop} anna@laptop`,
      'ssh-ed25519 AAAA… anna@desk': `${desk} anna@desk`,
    })
    await daemon.start()
  }, 60_000)

  /** With a secret of which no code is used. */
  beforeEach(async () => {
    anna = await daemon.enrol('anna', 'ssh,forwards')
    const file = join(daemon.folder, 'users', 'anna.toml')
    writeFileSync(file, line + readFileSync(file, 'utf8'))
    chownSync(file, 65534, 65534)
    expect(await daemon.command('reload')).toMatchObject({ status: 0 })
    client = new Client(lab.client)
    await client.add(anna)
  })
  /** With her go her grants. */
  afterEach(async () => {
    client.remove()
    expect(await daemon.command('user', 'remove', 'anna')).toMatchObject({ status: 0 })
  })

  afterAll(async () => {
    await daemon?.remove()
    await lab?.close()
    program?.remove()
    if (folder) rmSync(folder, { recursive: true })
  })

  async function startSshd(): Promise<void> {
    makeKey(folder, 'host')
    const settings = [
      'Port 22',
      `HostKey ${join(folder, 'host')}`,
      'PidFile none',
      'UsePAM no',
      recipe.file('/etc/ssh/sshd_config.d/oneknock.conf', {
        'User jump': `User ${ACCOUNT}`,
        '/var/lib/oneknock/jump.keys': keys,
        'User oneknock': 'User nobody',
      }),
    ]
    writeFileSync(join(folder, 'sshd_config'), settings.join('\n'))
    mkdirSync('/run/sshd', { recursive: true })
    const args = ['-D', '-f', join(folder, 'sshd_config'), '-E', join(folder, 'log')]
    lab.server.spawn(['/usr/sbin/sshd', ...args], { stdio: 'ignore' })
    await until(
      () => lab.server.run('ss', '-Hltn', 'sport = :22'),
      listening => listening !== '',
    )
  }

  async function startInner(port: number): Promise<void> {
    const script = `require('net').createServer(s => s.end('this is ${port}\\n')).listen(${port}, () => console.log('up'))`
    const child = lab.container.spawn([process.execPath, '-e', script])
    await once(child.stdout!, 'data')
  }

  const ssh = (key: string, ...args: string[]) =>
    lab.client.tryRun([
      'ssh',
      ...['-F', 'none', '-i', join(folder, key), ...CONNECT],
      ...['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes'].flatMap(
        option => ['-o', option],
      ),
      ...args,
      `${ACCOUNT}@${lab.server.v4}`,
    ])
  const forward = (to: string, key = 'laptop') => ssh(key, '-W', to)

  it('meets silence before a knock', async () => {
    const { status, stderr } = await forward(MAIL)
    expect(status).toBe(255)
    expect(stderr).toContain('timed out')
  })

  it('opens both services with one knock, and forwards where it may', async () => {
    const { status, said } = await client.knock(anna)
    expect({ status, said }).toMatchObject({ status: 0, said: { lifetime: 1_200 } })
    expect(existsSync(keys)).toBe(true)
    for (const key of ['laptop', 'desk']) {
      expect(await forward(MAIL, key)).toMatchObject({ status: 0, stdout: 'this is 993\n' })
    }
  })

  it('forwards nowhere else, listens for nobody, runs nothing', async () => {
    expect(await client.knock(anna)).toMatchObject({ status: 0 })
    for (const to of ['10.88.0.2:80', '10.88.0.2:5432', '127.0.0.1:22']) {
      const { stdout, stderr } = await forward(to)
      expect({ to, stdout }).toEqual({ to, stdout: '' })
      expect(stderr).toContain('administratively prohibited')
    }
    const remote = ['-N', '-o', 'ExitOnForwardFailure=yes', '-R', `0:${MAIL}`]
    expect((await ssh('laptop', ...remote)).stderr).toContain('remote port forwarding failed')
    const { status, stdout } = await ssh('laptop')
    expect(status).toBe(1)
    expect(stdout).toMatch(
      /^(This account is currently not available\.|forwards only: use ssh -N)\n$/,
    )
  })

  it('ends with the grant', async () => {
    expect(await client.knock(anna)).toMatchObject({ status: 0 })
    expect(readFileSync(keys, 'utf8')).not.toBe('')
    await client.close(anna)
    await until(
      () => readFileSync(keys, 'utf8'),
      text => text === '',
    )
    expect((await forward(MAIL)).stderr).toContain('timed out')
  })
})
