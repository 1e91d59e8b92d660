import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { parseInvitation, totpCode, totpStep } from '@oneknock/shared'
import { beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../server/src/config.ts'
import type { User } from '../../../server/src/core/directory.ts'
import { loadUser } from '../../../server/src/users.ts'
import { write } from '../config/scratch.ts'
import { lacking, run } from './cli.ts'
import { hasZbar, picture, scan, zbarScan } from './screen.ts'
import { type Site, site } from './site.ts'

let s: Site
beforeEach(() => {
  s = site()
})

const NO_DAEMON = (s: Site) => `No daemon runs on ${s.state}; the next one will know.\n`

async function stored(name: string): Promise<User> {
  const config = await loadConfig(s.config)
  if (!config.ok) throw new Error('the configuration is wrong')
  const user = await loadUser(config.value, name)
  if (!user.ok) throw new Error('the user is wrong')
  return user.value
}

/** What is printed above the QR code, and the code. */
function split(stdout: string): { text: string; qr: string } {
  const start = stdout.search(/^(\x1b|█)/m)
  return { text: stdout.slice(0, start), qr: stdout.slice(start) }
}

describe('oneknockd user add --json', () => {
  it('prints everything that the user needs, and nothing else', async () => {
    const added = await s.run(['user', 'add', 'alice', '--services', 'web,wiki', '--json'])
    expect(added).toMatchObject({ status: 0, stderr: NO_DAEMON(s) })
    expect(added.stdout.match(/\n/g)).toHaveLength(1)
    const json = JSON.parse(added.stdout)
    expect(Object.keys(json)).toEqual([
      'user',
      'device',
      'device_key',
      'otpauth',
      'invitation',
      'recovery_codes',
    ])
    expect(json).toMatchObject({ user: 'alice', device: 'main' })
    expect(json.device_key).toMatch(/^[\w-]{43}$/)
    expect(json.otpauth).toMatch(/^otpauth:\/\/totp\/alice\?issuer=gate&secret=[A-Z2-7]{32}(&|$)/)
    expect(json.invitation).toBe(
      `oneknock://gate.example.com:62201/?v=1&name=gate&user=alice&device=main&key=${json.device_key}&services=web,wiki`,
    )
    expect(json.recovery_codes).toHaveLength(10)
  })

  it('prints what the file holds: key, secret and codes', async () => {
    const { stdout } = await s.run(['user', 'add', 'alice', '-s', 'wiki', '-d', 'laptop', '--json'])
    const json = JSON.parse(stdout)
    const user = await stored('alice')
    expect(user).toMatchObject({ services: ['wiki'], locked: false, otherAddress: false })
    expect(user.devices.map(({ id }) => id)).toEqual(['alice/laptop'])
    const invitation = parseInvitation(json.invitation)
    expect(invitation.ok && invitation.value.key).toEqual(user.devices[0]?.key)
    const now = Date.now()
    expect(Math.abs(now - user.devices[0]!.enrolledAt)).toBeLessThan(60_000)
    for (const [index, code] of json.recovery_codes.entries()) {
      const { salt, hash } = user.recovery[index]!
      const bare = code.replaceAll('-', '')
      expect(createHash('sha256').update(salt).update(bare).digest()).toEqual(Buffer.from(hash))
    }
    expect(new Set(json.recovery_codes).size).toBe(10)
    expect(new Set(user.recovery.map(({ salt }) => salt.join())).size).toBe(10)
  })

  it('has a secret that oathtool makes the same codes from', async () => {
    const { stdout } = await s.run(['user', 'add', 'alice', '-s', 'wiki', '--json'])
    const secret = new URL(JSON.parse(stdout).otpauth).searchParams.get('secret')!
    const at = 1_800_000_000
    const oathtool = await run(['oathtool', '--totp', '-b', '--now', `@${at}`, secret])
    expect(oathtool).toMatchObject({ status: 0, stderr: '' })
    expect(oathtool.stdout.trim()).toBe(
      totpCode((await stored('alice')).totp!.secret, totpStep(at * 1_000)),
    )
  })

  it('makes other secrets each time', async () => {
    const [a, b] = await Promise.all(
      ['a', 'b'].map(async name =>
        JSON.parse((await s.run(['user', 'add', name, '-s', 'web', '--json'])).stdout),
      ),
    )
    expect(a.device_key).not.toBe(b.device_key)
    expect(a.otpauth.split('secret=')[1]).not.toBe(b.otpauth.split('secret=')[1])
    expect(a.recovery_codes).not.toEqual(b.recovery_codes)
  })
})

describe('oneknockd user add', () => {
  it('shows a person the same, with what to do; the QR code comes last and fits the screen', async () => {
    const added = await s.run(['user', 'add', 'alice', '-s', 'web,wiki'])
    expect(added.status).toBe(0)
    const { text, qr } = split(added.stdout)
    const lines = text.split('\n')
    const invitation = parseInvitation(lines.find(line => line.startsWith('oneknock://'))!)
    expect(invitation.ok && invitation.value).toMatchObject({ user: 'alice', device: 'main' })
    expect(text.match(/([a-z2-7]{4}-){6}[a-z2-7]{4}/g)).toHaveLength(10)
    const others = lines.filter(line => !line.startsWith('oneknock://'))
    expect(Math.max(...others.map(line => line.length))).toBeLessThanOrEqual(80)
    expect(text).toContain('oneknock add')

    expect(qr.trimEnd().split('\n').length).toBeLessThanOrEqual(23)
    const uri = new URL(scan(picture(qr)))
    expect(uri.pathname).toBe('/alice')
    expect(text).toContain(`\n   ${uri.searchParams.get('secret')}\n`)
    expect(uri.searchParams.get('issuer')).toBe('gate')
  })

  it.skipIf(lacking(hasZbar))('shows a code that zbarimg reads (package zbar-tools)', async () => {
    const { qr, text } = split((await s.run(['user', 'add', 'alice', '-s', 'web'])).stdout)
    const uri = zbarScan(picture(qr))
    expect(uri).toMatch(/^otpauth:\/\/totp\/alice\?issuer=gate&secret=[A-Z2-7]{32}$/)
    expect(text).toContain(uri.split('secret=')[1])
  })

  it('uses no colours with NO_COLOR, and can be scanned still', async () => {
    const env = { NO_COLOR: '1' }
    const { stdout } = await s.run(['user', 'add', 'alice', '-s', 'web'], { env })
    expect(stdout).not.toContain('\x1b')
    expect(scan(picture(split(stdout).qr))).toMatch(/^otpauth:/)
  })

  it("shows the invitation's code when asked", async () => {
    const { stdout } = await s.run(['user', 'add', 'alice', '-s', 'web', '--invitation-qr'])
    const invitation = stdout.split('\n').find(line => line.startsWith('oneknock://'))
    const codes = stdout.split('\n\n').filter(part => part.startsWith('\x1b'))
    const [first, second] = codes.map(code => scan(picture(code)))
    expect(first).toBe(invitation)
    expect(second).toMatch(/^otpauth:/)
  })

  it('makes a file that is its owner’s alone', async () => {
    await s.run(['user', 'add', 'alice', '-s', 'web'])
    expect(statSync(s.userFile('alice')).mode & 0o7777).toBe(0o600)
    expect(await s.run(['check'])).toMatchObject({ status: 0, stderr: '' })
  })

  it('never touches somebody who is there', async () => {
    await s.run(['user', 'add', 'alice', '-s', 'web'])
    const before = readFileSync(s.userFile('alice'))
    expect(await s.run(['user', 'add', 'alice', '-s', 'wiki'])).toEqual({
      status: 1,
      stdout: '',
      stderr: `oneknockd: there is a user alice already; for another device run: oneknockd device add alice LABEL --config ${s.config}\n`,
    })
    expect(readFileSync(s.userFile('alice'))).toEqual(before)
  })

  it('adds one of two that come at once', async () => {
    const both = await Promise.all(
      [1, 2].map(() => s.run(['user', 'add', 'alice', '-s', 'web', '--json'])),
    )
    expect(both.map(({ status }) => status).sort()).toEqual([0, 1])
    const [winner] = both.filter(({ status }) => status === 0)
    const key = Buffer.from((await stored('alice')).devices[0]!.key).toString('base64url')
    expect(JSON.parse(winner!.stdout).device_key).toBe(key)
    expect(readdirSync(s.users)).toEqual(['alice.toml'])
  })

  it.each([
    [['alice', '-s', 'wbe'], 'oneknockd: "wbe": no such service; did you mean web?'],
    [
      ['alice', '-s', 'web,ssh,ftp'],
      'oneknockd: "ssh": no such service; the configuration has web, wiki\noneknockd: "ftp": no such service; the configuration has web, wiki',
    ],
    [['alice', '-s', ','], 'oneknockd: say what this user may open, such as: --services web,wiki'],
    [
      ['Alice', '-s', 'web'],
      'oneknockd: "Alice" cannot name a user: a name is 1 to 32 of a-z, 0-9 and -',
    ],
    [
      ['../alice', '-s', 'web'],
      'oneknockd: "../alice" cannot name a user: a name is 1 to 32 of a-z, 0-9 and -',
    ],
    [
      ['alice', '-s', 'web', '-d', 'My Laptop'],
      'oneknockd: "My Laptop" cannot name a device: a name is 1 to 32 of a-z, 0-9 and -',
    ],
    [
      ['alice'],
      "oneknockd: required option '-s, --services <names>' not specified; for help: oneknockd user add --help",
    ],
    [
      ['alice', '-s', 'web', '--jsno'],
      "oneknockd: unknown option '--jsno' (Did you mean --json?); for help: oneknockd user add --help",
    ],
    [
      ['alice', 'bob', '-s', 'web'],
      "oneknockd: too many arguments for 'add'. Expected 1 argument but got 2; for help: oneknockd user add --help",
    ],
  ])('%j is refused, and nothing is made', async (args, line) => {
    expect(await s.run(['user', 'add', ...args])).toEqual({
      status: 1,
      stdout: '',
      stderr: `${line}\n`,
    })
    expect(readdirSync(s.users)).toEqual([])
  })
})

describe('oneknockd user list and show', () => {
  it('say who there is, without secrets', async () => {
    const { stdout } = await s.run(['user', 'add', 'bob', '-s', 'web', '--json'])
    await s.run(['user', 'add', 'alice', '-s', 'web,wiki', '-d', 'laptop'])
    write(s.userFile('carol'), 'services = []\nlocked = true\n')
    expect((await s.run(['user', 'list'])).stdout).toBe(
      `USER   SERVICES   DEVICES
alice  web, wiki  laptop
bob    web        main
carol                      locked
`,
    )
    const listed = await s.run(['user', 'list', '--json'])
    const { enrolled } = JSON.parse(listed.stdout)[1].devices[0]
    expect(enrolled).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    const bob = {
      user: 'bob',
      services: ['web'],
      locked: false,
      other_address: false,
      totp: true,
      recovery_codes: 10,
      devices: [{ device: 'main', enrolled }],
      yubikeys: [],
    }
    expect(JSON.parse(listed.stdout)).toEqual([expect.any(Object), bob, expect.any(Object)])
    const shown = await s.run(['user', 'show', 'bob', '--json'])
    expect(JSON.parse(shown.stdout)).toEqual(bob)
    const plain = await s.run(['user', 'show', 'bob'])
    expect(plain).toEqual({
      status: 0,
      stderr: '',
      stdout: `user                       bob
services                   web
locked                     no
may admit other addresses  no
authenticator              yes
recovery codes             10
device main                enrolled ${enrolled}
`,
    })
    const secrets = JSON.parse(stdout)
    const all = listed.stdout + shown.stdout + plain.stdout
    expect(all).not.toContain(secrets.device_key)
    expect(all).not.toContain(new URL(secrets.otpauth).searchParams.get('secret'))
  })

  it('say that there is nobody', async () => {
    expect(await s.run(['user', 'list'])).toEqual({
      status: 0,
      stdout: '',
      stderr: `There are no users; add one: oneknockd user add NAME --services … --config ${s.config}\n`,
    })
    expect(await s.run(['user', 'list', '--json'])).toMatchObject({ stdout: '[]\n', stderr: '' })
    expect(await s.run(['user', 'show', 'bob'])).toMatchObject({
      status: 1,
      stderr: `oneknockd: there is no user bob; see: oneknockd user list --config ${s.config}\n`,
    })
  })
})

describe('oneknockd user remove', () => {
  it('removes the file, and says so', async () => {
    await s.run(['user', 'add', 'alice', '-s', 'web'])
    expect(await s.run(['user', 'remove', 'alice'])).toEqual({
      status: 0,
      stdout: 'alice is no user any more.\n',
      stderr: NO_DAEMON(s),
    })
    expect(readdirSync(s.users)).toEqual([])
    expect(await s.run(['user', 'remove', 'alice'])).toEqual({
      status: 1,
      stdout: '',
      stderr: `oneknockd: there is no user alice; see: oneknockd user list --config ${s.config}\n`,
    })
  })

  it('does so whatever else is wrong, and says that the daemon does not know', async () => {
    write(s.userFile('alice'), 'nonsense')
    write(s.config, 'nonsense')
    expect(await s.run(['user', 'remove', 'alice'])).toMatchObject({
      status: 1,
      stdout: 'alice is no user any more.\n',
      stderr: expect.stringContaining('until the configuration is right'),
    })
    expect(existsSync(s.userFile('alice'))).toBe(false)
  })
})
