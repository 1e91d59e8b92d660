import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseTotpSecret, totpCode, totpStep } from '@oneknock/shared'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freeTcpPort } from '../server/admin/gateway.ts'
import { canMount, isRoot, lacking } from '../server/commands/cli.ts'
import { makeKey } from '../server/hooks/sshd.ts'
import { until } from '../server/kit.ts'
import { buildDaemon, Daemon, HERE } from './daemon.ts'
import { Recipe } from './recipe.ts'

/*
 * docs/recipes/a-code-behind-ssh-keys.md as it is written: OpenSSH, PAM and sudo, before accounts that
 * exist in a mount namespace of the test's alone. No daemon runs: `otp verify` needs none.
 */

const recipe = new Recipe('a-code-behind-ssh-keys')
const PROGRAMS = ['/usr/sbin/sshd', '/usr/bin/sudo', '/usr/sbin/visudo']
const hasPrograms = spawnSync('ls', PROGRAMS).status === 0
const NOBODY = 65534
const ANNA = 61_234

describe.skipIf(lacking(isRoot && canMount && hasPrograms))('a code behind ssh keys', () => {
  let folder: string
  let program: Awaited<ReturnType<typeof buildDaemon>>
  let daemon: Daemon
  let secret: string
  const running: ChildProcess[] = []

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'oneknock-ssh-code-'))
    chmodSync(folder, 0o755)
    program = await buildDaemon()
    // As another account than root, which becomes that account for what belongs to it.
    daemon = new Daemon({ ...HERE }, program.path, () => CONFIG)
    write('oneknockd', 0o755, [
      '#!/bin/sh',
      `exec ${process.execPath} ${program.path} --config ${daemon.configFile} "$@"`,
    ])
    const own = { '/usr/bin/oneknockd': join(folder, 'oneknockd') }
    const at = (name: string) => join(folder, name)
    write('ask-for-a-code', 0o755, [recipe.file('/usr/local/sbin/ask-for-a-code', own)])
    write('after-a-code', 0o755, [
      recipe.file('/usr/local/bin/after-a-code', {
        '/usr/local/sbin/ask-for-a-code': at('ask-for-a-code'),
      }),
    ])
    write('sudoers', 0o440, [
      recipe.file('/etc/sudoers.d/oneknock', {
        '/usr/local/sbin/ask-for-a-code': at('ask-for-a-code'),
      }),
    ])
    expect(spawnSync('visudo', ['-cf', at('sudoers')]).status).toBe(0)
    write('pam', 0o644, [
      recipe.file('/etc/pam.d/sshd', own),
      ...['account', 'session'].map(kind => `${kind} required pam_permit.so`),
    ])
    mkdirSync(at('home'), { mode: 0o755 })
    write('passwd', 0o644, [
      readFileSync('/etc/passwd', 'utf8').trim(),
      `anna:*:${ANNA}:${ANNA}::${at('home')}:/bin/sh`,
      `oneknock:*:${NOBODY}:${NOBODY}::/:/usr/sbin/nologin`,
    ])
    write('group', 0o644, [readFileSync('/etc/group', 'utf8').trim(), `people:x:${ANNA}:`])
    writeFileSync(at('authorized_keys'), makeKey(folder, 'anna'))
    makeKey(folder, 'host')
  }, 60_000)

  /** With a secret of which no code is used. */
  beforeEach(async () => {
    ;({ secret } = await daemon.enrol('anna', 'none'))
  })
  afterEach(async () => {
    for (const child of running.splice(0)) child.kill('SIGKILL')
    expect(await daemon.command('user', 'remove', 'anna')).toMatchObject({ status: 0 })
  })
  afterAll(async () => {
    await daemon?.remove()
    program?.remove()
    if (folder) rmSync(folder, { recursive: true })
  })

  function write(name: string, mode: number, lines: readonly string[]): void {
    const path = join(folder, name)
    writeFileSync(path, `${lines.join('\n')}\n`)
    chmodSync(path, mode)
  }

  const codeOfNow = () => totpCode(parseTotpSecret(secret)!, totpStep(Date.now()))

  async function startSshd(...own: readonly string[]): Promise<number> {
    const port = await freeTcpPort()
    const at = (name: string) => join(folder, name)
    write('sshd_config', 0o600, [
      ...[`Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${at('host')}`, 'PidFile none'],
      ...[`AuthorizedKeysFile ${at('authorized_keys')}`, 'StrictModes no', ...own],
    ])
    mkdirSync('/run/sshd', { recursive: true })
    const mounts = { passwd: '/etc/passwd', group: '/etc/group', pam: '/etc/pam.d/sshd' }
    const script = [
      'mount --make-rprivate /',
      ...Object.entries(mounts).map(([from, to]) => `mount --bind ${at(from)} ${to}`),
      `mount --bind ${at('sudoers')} /etc/sudoers`,
      `exec /usr/sbin/sshd -D -e -f ${at('sshd_config')}`,
    ]
    const child = spawn('unshare', ['-m', 'sh', '-ec', script.join('\n')])
    running.push(child)
    let heard = ''
    child.stderr.on('data', text => {
      heard += text
    })
    await until(
      () => heard,
      text => text.includes('Server listening'),
      15_000,
    )
    return port
  }

  function ssh(port: number, typed: string, ...args: readonly string[]): ChildProcess {
    write('askpass', 0o755, ['#!/bin/sh', `echo ${typed}`])
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR']
    const env = {
      PATH: process.env.PATH,
      SSH_ASKPASS: join(folder, 'askpass'),
      SSH_ASKPASS_REQUIRE: 'force',
    }
    const child = spawn(
      'ssh',
      [
        ...['-F', 'none', '-i', join(folder, 'anna'), '-p', `${port}`],
        ...[...options, 'NumberOfPasswordPrompts=1'].flatMap(option => ['-o', option]),
        ...['anna@127.0.0.1', ...args],
      ],
      { env },
    )
    running.push(child)
    return child
  }

  /** All that it says until it ends, and how; the code is typed where it is asked for. */
  async function said(child: ChildProcess, code?: string) {
    let text = ''
    let asked = false
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', chunk => {
        text += chunk
        if (code === undefined || asked || !text.includes('Code of anna: ')) return
        asked = true
        child.stdin!.write(`${code}\r`)
      })
    }
    const [status] = await once(child, 'close')
    return { status, text }
  }

  it('is asked for by PAM, after the key', async () => {
    const port = await startSshd(recipe.file('/etc/ssh/sshd_config.d/oneknock.conf'))
    const code = codeOfNow()
    expect(await said(ssh(port, 'wrong', 'echo', 'in'))).toMatchObject({ status: 255 })
    expect(await said(ssh(port, code, 'echo', 'in'))).toEqual({ status: 0, text: 'in\n' })
    expect(await said(ssh(port, code, 'echo', 'in'))).toMatchObject({ status: 255 })
    const forward = await said(ssh(port, code, '-W', `127.0.0.1:${port}`))
    expect(forward).toMatchObject({ status: 255 })
  })

  it('is asked for by a forced command, which lets nothing pass before', async () => {
    const port = await startSshd(
      'UsePAM no',
      recipe.file('/etc/ssh/sshd_config.d/oneknock-forced.conf', {
        '/usr/local/bin/after-a-code': join(folder, 'after-a-code'),
      }),
    )
    const code = codeOfNow()
    const right = await said(ssh(port, '', '-tt', 'echo', 'so', 'far'), code)
    expect(right).toMatchObject({ status: 0, text: expect.stringContaining('so far') })
    expect(right.text).not.toContain(code)
    const again = await said(ssh(port, '', '-tt', 'echo', 'so', 'far'), code)
    expect(again).toMatchObject({ status: 1, text: expect.stringContaining('factor-used') })
    expect(again.text).not.toContain('so far')
    expect(await said(ssh(port, '', 'echo', 'so', 'far'))).toMatchObject({
      status: 1,
      text: expect.stringContaining('there is no terminal to ask on'),
    })
    const forward = await said(ssh(port, '', '-W', `127.0.0.1:${port}`))
    expect(forward).toMatchObject({ text: expect.stringContaining('stdio forwarding failed') })
  })
})

/** A service that opens nothing: only codes are looked at. */
const CONFIG = `public = "gate.example.com"
state = "state"
[services.none]
exec = { open = ["/bin/true"] }
`
