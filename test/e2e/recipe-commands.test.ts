import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseNetwork } from '@oneknock/shared'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../server/src/config.ts'
import { systemClock } from '../../server/src/core/clock.ts'
import { ExecHook } from '../../server/src/hooks/exec.ts'
import { isRoot, lacking, MAIN } from '../server/commands/cli.ts'
import { until } from '../server/kit.ts'
import { Recipe } from './recipe.ts'

/*
 * docs/recipes/commands-that-open-and-close.md as it is written: the daemon's hook orders, and the real
 * helper runs the commands as root. Accounts are those of a folder that usermod takes for the root of a
 * file system; WireGuard is the one in Go, since not every kernel has its own.
 */

const recipe = new Recipe('commands-that-open-and-close')
const KEY = 'HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw='
/** Short: it is the folder of a Unix socket. Not in /tmp, where anybody may put things. */
const PLACE = '/run'
/** Of its own: whoever else runs one has a socket by its name on this host. */
const TUNNEL = `okx${process.pid}`
/** Programs that a recipe starts, and that only take down with what. */
const FAKES = ['systemctl', 'aws'] as const
type Fake = (typeof FAKES)[number]

describe.skipIf(lacking(isRoot))('commands that open and close', () => {
  let folder: string
  let helper: ChildProcess
  let tunnel: ChildProcess
  let hook: ExecHook

  beforeAll(async () => {
    folder = mkdtempSync(join(PLACE, 'okx-'))
    chmodSync(folder, 0o755)
    for (const name of ['state', 'etc', 'peers']) mkdirSync(join(folder, name), { mode: 0o700 })
    tunnel = await startTunnel()
    const inTunnel = `nsenter --target ${tunnel.pid} --net wg`
    program(
      'wireguard-peer',
      scriptOf({ '/etc/wireguard/peers': join(folder, 'peers'), wg0: TUNNEL }, inTunnel),
    )
    for (const fake of FAKES) {
      program(`fake-${fake}`, `#!/bin/sh\necho "$@" >> ${logFile(fake)}\n`)
    }
    writeFileSync(join(folder, 'peers', 'alice.key'), KEY)
    writeFileSync(join(folder, 'peers', 'alice.ips'), '10.9.0.7/32')
    writeFileSync(join(folder, 'etc', 'passwd'), 'alice:x:4242:4242::/:/bin/sh\n')
    writeFileSync(join(folder, 'etc', 'shadow'), 'alice:!$y$made$up:20000:0:99999:7:::\n')
    const config = join(folder, 'oneknockd.toml')
    writeFileSync(config, configuration(), { mode: 0o644 })
    await startHelper(config)
    const loaded = await loadConfig(config)
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.error))
    const { services, helperSocket } = loaded.value
    hook = new ExecHook({
      ...{ services: services.values(), helperSocket },
      ...{ clock: systemClock, log: () => {} },
    })
    await hook.start()
  }, 60_000)

  afterAll(async () => {
    await hook?.stop()
    for (const child of [helper, tunnel]) {
      if (!child || child.exitCode !== null) continue
      child.kill()
      await once(child, 'exit')
    }
    if (folder) rmSync(folder, { recursive: true })
  })

  afterEach(() => {
    for (const fake of FAKES) rmSync(logFile(fake), { force: true })
  })

  const configuration = () =>
    recipe.file('/etc/oneknock/oneknockd.toml', {
      '/var/lib/oneknock': join(folder, 'state'),
      '/run/oneknock/helper.sock': join(folder, 'helper.sock'),
      '/usr/bin/systemctl': join(folder, 'fake-systemctl'),
      '/usr/bin/aws': join(folder, 'fake-aws'),
      '/usr/local/sbin/wireguard-peer': join(folder, 'wireguard-peer'),
      '"/usr/sbin/usermod"': `"/usr/sbin/usermod", "--prefix", "${folder}"`,
    })

  function scriptOf(replaced: Record<string, string>, wg: string): string {
    const script = recipe.file('/usr/local/sbin/wireguard-peer', replaced)
    return script.replaceAll(' wg set', ` ${wg} set`)
  }

  function program(name: string, text: string): void {
    writeFileSync(join(folder, name), text, { mode: 0o755 })
  }

  /** In a network namespace of its own. One that does not answer is ended, and another one started. */
  async function startTunnel(tries = 3): Promise<ChildProcess> {
    const child = spawn('unshare', ['--net', '--', 'wireguard-go', '--foreground', TUNNEL], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', chunk => {
        said += chunk
      })
    }
    const isUp = () => child.exitCode !== null || wgShow(child) !== ''
    await until(isUp, Boolean, 10_000).catch(() => child.kill('SIGKILL'))
    if (child.exitCode === null && !child.killed) return child
    if (tries > 1) return startTunnel(tries - 1)
    throw new Error(`wireguard-go did not start: ${said}`)
  }

  function wgShow({ pid }: ChildProcess): string {
    try {
      const inside = ['--target', `${pid}`, '--net', 'wg', 'show', TUNNEL, 'dump']
      return execFileSync('nsenter', inside, { encoding: 'utf8', stdio: 'pipe' })
    } catch {
      return ''
    }
  }

  async function startHelper(config: string): Promise<void> {
    helper = spawn(process.execPath, [MAIN, '--config', config, 'helper'])
    let output = ''
    for (const stream of [helper.stdout!, helper.stderr!]) {
      stream.on('data', chunk => {
        output += chunk
      })
    }
    const said = () => ({ output, ended: helper.exitCode })
    await until(said, ({ output, ended }) => output.includes('"ready"') || ended !== null, 15_000)
    expect(output).toContain('"ready"')
  }

  const opening = (service: string, user?: string) => ({
    service,
    network: parseNetwork('203.0.113.0/24')!,
    until: Date.now() + 60_000,
    ...(user && { user }),
  })
  const logFile = (fake: Fake) => join(folder, `fake-${fake}.log`)
  const logOf = (fake: Fake) => readFileSync(logFile(fake), 'utf8').trim().split('\n')

  it('a unit', async () => {
    await hook.open(opening('backup'))
    await hook.close(opening('backup'))
    expect(logOf('systemctl')).toEqual(['start backup.service', 'stop backup.service'])
  })

  it('an account', async () => {
    const password = () => readFileSync(join(folder, 'etc', 'shadow'), 'utf8').split(':')[1]
    await hook.open(opening('login', 'alice'))
    expect(password()).toBe('$y$made$up')
    await hook.close(opening('login', 'alice'))
    expect(password()).toBe('!$y$made$up')
    await expect(hook.open(opening('login', 'bob'))).rejects.toThrow("user 'bob' does not exist")
    await hook.close(opening('login', 'bob')).catch(() => {})
  })

  it('a peer of WireGuard', async () => {
    await hook.open(opening('vpn', 'alice'))
    expect(wgShow(tunnel)).toContain(`${KEY}\t`)
    expect(wgShow(tunnel)).toContain('10.9.0.7/32')
    await hook.close(opening('vpn', 'alice'))
    await hook.close(opening('vpn', 'alice'))
    expect(wgShow(tunnel)).not.toContain(KEY)
  })

  it('a rule of a cloud', async () => {
    await hook.open(opening('cloud'))
    await hook.close(opening('cloud'))
    const rule = '--group-id sg-0123456789abcdef0 --protocol tcp --port 22 --cidr 203.0.113.0/24'
    expect(logOf('aws')).toEqual([
      `ec2 authorize-security-group-ingress ${rule}`,
      `ec2 revoke-security-group-ingress ${rule}`,
    ])
  })

  it('a door of each user, and none of the others', async () => {
    await expect(hook.open(opening('vpn'))).rejects.toThrow('service vpn is for each user')
    await expect(hook.open(opening('backup', 'alice'))).rejects.toThrow('is not for each user')
  })
})
