import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest'
import type { Finding } from '../../../server/src/doctor/finding.ts'
import { buildDaemon, Daemon } from '../../e2e/daemon.ts'
import { describeWithNamespaces, type Lab, openLab } from '../../netns/lab.ts'

const config = (folder: string, firewall = '') => `
listen = ["[::]:62201"]
public = "10.77.0.1:62201"
state = "state"

[firewall]
backend = "nftables"
${firewall}

[helper]
socket = "${folder}/helper.sock"

[services.ssh]
ports = ["tcp/22"]

[services.nas]
ports = ["tcp/445"]
destination = ["10.88.0.2"]

[services.inner]
ports = ["tcp/2222"]
forward = ["10.88.0.2:22", "[fd88::2]:22"]

[services.backup.exec]
open = ["/bin/true"]
as = "backup"
`

describeWithNamespaces('oneknockd doctor', () => {
  let lab: Lab
  let program: Awaited<ReturnType<typeof buildDaemon>>
  let daemon: Daemon

  beforeAll(async () => {
    ;[lab, program] = await Promise.all([openLab(), buildDaemon()])
  })
  beforeEach(() => {
    daemon = new Daemon(lab.server, program.path, folder => config(folder))
  })
  afterEach(async () => {
    await daemon.remove()
    await lab.server.nft('flush ruleset')
  })
  afterAll(async () => {
    await lab?.close()
    program?.remove()
  })

  async function doctor(): Promise<{ status: number; about: (check: string) => Finding[] }> {
    const { status, stdout } = await daemon.command('doctor', '--json')
    const findings: Finding[] = JSON.parse(stdout)
    return { status, about: check => findings.filter(one => one.check === check) }
  }

  it('finds what is missing before the daemon is up', async () => {
    const { status, about } = await doctor()
    expect(status).toBe(1)
    expect(about('configuration')).toMatchObject([{ state: 'fine' }])
    expect(about('files')).toMatchObject([{ state: 'fine' }])
    expect(about('daemon')).toMatchObject([{ state: 'problem' }])
    expect(about('guard')).toMatchObject([{ state: 'problem', remedy: expect.any(String) }])
    expect(about('guard at boot')).toMatchObject([{ state: 'warning' }])
    expect(about('helper')).toMatchObject([
      { state: 'problem', remedy: 'systemctl enable --now oneknockd-helper' },
    ])
    for (const check of ['clock', 'receive buffer', 'disk', 'unseen traffic']) {
      expect(about(check)).toHaveLength(1)
    }
  })

  it('finds the chains of others that would keep an opened door shut; its remedies work', async () => {
    await daemon.start()
    await daemon.command('firewall', 'apply')
    const before = await doctor()
    expect(before.about('guard')).toMatchObject([{ state: 'fine' }])
    expect(before.about('guard at boot')).toMatchObject([{ state: 'fine' }])
    expect(before.about('other chains')).toMatchObject([{ state: 'fine' }])
    expect(before.about('cut')).toMatchObject([{ state: 'fine' }])

    await lab.server.nft(`
      table inet filter {
        chain input {
          type filter hook input priority filter; policy drop;
          ct state established,related accept
          ct state new udp dport 62201 accept
        }
        chain forward { type filter hook forward priority filter; ip saddr 10.9.0.0/16 accept; drop; }
      }`)
    const { status, about } = await doctor()
    expect(status).toBe(1)
    const shut = about('other chains')
    expect(shut.map(({ state, found }) => `${state}: ${found}`)).toEqual([
      'problem: chain inet filter input drops knocks at udp/62201 (its policy)',
      'problem: chain inet filter input drops tcp/22 (its policy)',
      expect.stringMatching(
        /^warning: chain inet filter forward drops tcp\/445 over IPv4 for all but/,
      ),
      expect.stringMatching(
        /^problem: chain inet filter forward drops tcp\/445 over IPv6 \(forward/,
      ),
      expect.stringMatching(
        /^warning: chain inet filter forward drops tcp\/2222 on its way to 10.88.0.2:22 over IPv4/,
      ),
      expect.stringMatching(
        /^problem: chain inet filter forward drops tcp\/2222 on its way to \[fd88::2\]:22 over IPv6/,
      ),
    ])
    for (const { remedy } of shut) {
      const [, command = ''] = /: (nft .*)$/.exec(remedy ?? '') ?? []
      await lab.server.run(...command.split(' '))
    }
    expect((await doctor()).about('other chains')).toMatchObject([{ state: 'fine' }])
  })

  it('finds a host that hands nothing on, where a service leads elsewhere', async () => {
    const { about } = await doctor()
    expect(about('forwarding')).toMatchObject([{ state: 'fine' }])
    await lab.server.run('sysctl', '-qw', 'net.ipv4.ip_forward=0')
    const off = await doctor()
    const { stderr, status } = await daemon.command('check')
    await daemon.start()
    await lab.server.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
    const found = 'net.ipv4.ip_forward is 0, so inner cannot lead on over IPv4'
    expect(off.about('forwarding')).toMatchObject([{ state: 'problem', found }])
    expect(daemon.output.join('')).toMatch(/"level":40,.*net\.ipv4\.ip_forward is 0/)
    expect(status).toBe(0)
    expect(stderr).toContain(`${found}; sysctl -w net.ipv4.ip_forward=1`)
  })

  it('finds a guard that is behind its configuration, or on trial', async () => {
    await daemon.start()
    await daemon.command('firewall', 'try', '1m')
    expect((await doctor()).about('guard')).toMatchObject([
      {
        state: 'warning',
        remedy: `if all is well, run: oneknockd firewall apply --config ${daemon.configFile}`,
      },
    ])
    await daemon.end('SIGKILL')
    await lab.server.nft('delete table inet oneknock')
    await lab.server.nft('add table inet oneknock')
    const { about } = await doctor()
    expect(about('guard')).toMatchObject([
      { found: 'the guard does not close tcp/22, tcp/445, tcp/2222' },
    ])
  })

  it('finds a lease that ran out with no daemon, and ports that it does not hold', async () => {
    await daemon.remove()
    const ifDead = 'if_dead = "open after 1m"\n[metrics]\nlisten = "127.0.0.1:9105"'
    daemon = new Daemon(lab.server, program.path, folder => config(folder, ifDead))
    await daemon.start()
    const about = async () => (await doctor()).about('guard')
    expect(await about()).toMatchObject([
      { state: 'fine', found: expect.stringMatching(/^stands for .*tcp\/22\b.*firewall.if_dead/) },
    ])
    const status = JSON.parse((await daemon.command('status', '--json')).stdout)
    expect(status.guard).toEqual({ guard: 'while the daemon lives', if_dead_s: 60 })
    expect((await daemon.command('status')).stdout).toMatch(
      /^guard +while the daemon lives, and 1m longer$/m,
    )
    const scraped = await lab.server.run('curl', '-s', 'http://127.0.0.1:9105/metrics')
    expect(scraped).toContain('\noneknock_guard_if_dead_seconds 60\n')
    await daemon.end('SIGKILL')
    await lab.server.nft('delete element inet oneknock lease { tcp . 22 }')
    expect(await about()).toMatchObject([{ found: 'the guard does not close tcp/22' }])
    // What the kernel leaves when all has run out.
    await lab.server.nft('flush set inet oneknock lease')
    expect(await about()).toMatchObject([
      { state: 'problem', found: expect.stringContaining('has let go, all is open') },
    ])
  }, 60_000)

  it('finds files that others can read, and interfaces that pass by the guard', async () => {
    await daemon.enrol('alice', 'ssh')
    const file = join(daemon.folder, 'users', 'alice.toml')
    chmodSync(file, 0o640)
    await lab.server.run('ip', 'link', 'add', 'past', 'link', 'eth1', 'type', 'macvlan')
    onTestFinished(async () => {
      await lab.server.run('ip', 'link', 'del', 'past')
    })
    const { status, about } = await doctor()
    expect(status).toBe(1)
    expect(about('files')).toMatchObject([{ state: 'problem', remedy: `chmod 600 ${file}` }])
    expect(about('configuration')[0]?.found).toContain('others can read it')
    expect(about('unseen traffic')).toMatchObject([
      { state: 'warning', found: expect.stringContaining('past is macvlan') },
    ])
    const { stdout } = await daemon.command('doctor')
    expect(stdout).toMatch(/^problem {2}files: .*\n {9}chmod 600 /m)
  })
})
