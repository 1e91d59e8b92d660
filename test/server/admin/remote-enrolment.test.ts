import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseTotpSecret, totpCode, totpStep } from '@oneknock/shared'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { lacking, MAIN, run } from '../commands/cli.ts'
import { makeKey, Sshd } from '../hooks/sshd.ts'
import { until } from '../kit.ts'
import { Gateway } from './gateway.ts'

const DOCUMENT = fileURLToPath(new URL('../../../docs/remote-enrolment.md', import.meta.url))
const CLIENT = fileURLToPath(new URL('../../../client/dist/bin/oneknock.js', import.meta.url))

/** The two lines that the document gives for authorized_keys, in its order. */
function documented(): [first: string, another: string] {
  const blocks = readFileSync(DOCUMENT, 'utf8').matchAll(/```authorized_keys\n([^\n]+)\n```/g)
  const [first, another] = [...blocks].map(([, line]) => line!)
  return [first!, another!]
}

describe.skipIf(lacking(existsSync('/usr/sbin/sshd')))('enrolling over ssh, as documented', () => {
  let g: Gateway
  let sshd: Sshd
  let talking: ChildProcess | undefined

  beforeAll(async () => {
    g = await Gateway.make()
    const program = join(g.folder, 'oneknockd')
    const script = `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' --config '${g.config}' "$@"\n`
    writeFileSync(program, script, { mode: 0o755 })
    const lines = documented().map((line, i) =>
      line
        .replace('/usr/local/bin/oneknockd', program)
        .replace('ssh-ed25519 AAAA…', makeKey(g.folder, ['first', 'another'][i]!)),
    )
    writeFileSync(join(g.folder, 'keys'), `${lines.join('\n')}\n`, { mode: 0o600 })
    sshd = await Sshd.make(g.folder, [
      `AuthorizedKeysFile ${join(g.folder, 'keys')}`,
      'PermitRootLogin forced-commands-only',
      'StrictModes no',
    ])
    await sshd.start()
  })
  afterAll(async () => {
    talking?.kill()
    await sshd?.stop()
    await g.remove()
  })

  const key = (name: string) => join(g.folder, name)
  const SELF = `${userInfo().username}@127.0.0.1`

  it('a person enrols, with their first code, and nothing else', async () => {
    talking?.kill()
    rmSync(g.userFile('alice'), { force: true })
    talking = sshd.client(key('first'), '127.0.0.1', '-tt', SELF, 'cat', '/etc/passwd')
    let shown = ''
    talking.stdout!.setEncoding('utf8').on('data', text => {
      shown += text
    })
    await until(
      () => shown,
      text => text.includes('The code that the app shows now'),
      20_000,
    )
    const [, base32 = ''] = /^ {3}([A-Z2-7]{32})\r?$/m.exec(shown) ?? []
    expect(existsSync(g.userFile('alice'))).toBe(false)
    const ended = new Promise(resolve => talking!.once('exit', resolve))
    talking.stdin!.write(`${totpCode(parseTotpSecret(base32)!, totpStep(Date.now()))}\r`)
    const status = await ended
    expect(status).toBe(0)
    expect(await g.json('user', 'show', 'alice')).toMatchObject({ services: ['web'], totp: true })
    expect(shown).not.toContain('root:')
  })

  it('then gives themselves another device, whose invitation nobody sees', async () => {
    const home = mkdtempSync(join(g.folder, 'home-'))
    onTestFinished(async () => {
      await g.run('device', 'remove', 'alice', 'laptop-2')
    })
    const asked = await sshd.ask(key('another'), '127.0.0.1', SELF, 'laptop-2')
    expect(asked.status).toBe(0)
    expect(asked.stdout).toMatch(/^oneknock:\/\/[^\n]+\n$/)
    const env = { XDG_CONFIG_HOME: home, XDG_CACHE_HOME: join(home, 'cache') }
    const added = spawn(process.execPath, [CLIENT, 'add'], { env })
    const ended = new Promise(resolve => added.once('exit', resolve))
    added.stdin.end(asked.stdout)
    expect(await ended).toBe(0)
    const listed = await run([process.execPath, CLIENT, 'list', '--json'], { env })
    expect(JSON.parse(listed.stdout)).toMatchObject({ user: 'alice', device: 'laptop-2' })
    const { devices } = await g.json('user', 'show', 'alice')
    expect(devices.map((one: { device: string }) => one.device)).toEqual(['laptop-2', 'main'])
  })

  it.each(['', 'x; touch pwned', '$(touch pwned)', '"; touch pwned; "', 'Laptop'])(
    'takes %j for a label, and refuses it',
    async label => {
      const before = readFileSync(g.userFile('alice'), 'utf8')
      const asked = await sshd.ask(
        key('another'),
        '127.0.0.1',
        SELF,
        '--',
        ...(label ? [label] : []),
      )
      expect(asked).toMatchObject({ status: 1, stdout: '' })
      expect(asked.stderr).toContain('cannot name a device')
      expect(readFileSync(g.userFile('alice'), 'utf8')).toBe(before)
      expect(existsSync(join(userInfo().homedir, 'pwned'))).toBe(false)
    },
  )
})
