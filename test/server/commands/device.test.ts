import { readdirSync, readFileSync, statSync } from 'node:fs'
import { parseInvitation } from '@oneknock/shared'
import { beforeEach, describe, expect, it } from 'vitest'
import { write } from '../config/scratch.ts'
import { type Site, site } from './site.ts'

const KEY = 'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
const BY_HAND = `# Alice, room 12.
services = ["wiki"] # and no more

[devices.laptop]
key = "${KEY}"
enrolled = 2026-01-01T00:00:00Z # about
`

let s: Site
beforeEach(() => {
  s = site()
  write(s.userFile('alice'), BY_HAND)
})

const text = () => readFileSync(s.userFile('alice'), 'utf8')

describe('oneknockd device add', () => {
  it('appends a device, prints its invitation, and keeps what stands there by hand', async () => {
    const added = await s.run(['device', 'add', 'alice', 'phone', '--json'])
    expect(added).toMatchObject({ status: 0, stderr: expect.stringContaining('No daemon runs') })
    const json = JSON.parse(added.stdout)
    expect(json).toEqual({
      user: 'alice',
      device: 'phone',
      device_key: expect.stringMatching(/^[\w-]{43}$/),
      invitation: `oneknock://gate.example.com:62201/?v=1&name=gate&user=alice&device=phone&key=${json.device_key}&services=wiki`,
    })
    expect(text().startsWith(BY_HAND)).toBe(true)
    expect(text().slice(BY_HAND.length)).toMatch(
      new RegExp(`^\n\\[devices.phone\\]\nkey = "${json.device_key}"\nenrolled = [\\dTZ:-]+\n$`),
    )
    expect(statSync(s.userFile('alice')).mode & 0o7777).toBe(0o600)
    expect((await s.run(['check'])).stdout).toContain('1 user, 2 devices')
  })

  it('takes a label that looks like a number', async () => {
    expect(await s.run(['device', 'add', 'alice', '7'])).toMatchObject({ status: 0 })
    expect((await s.run(['check'])).stdout).toContain('1 user, 2 devices')
  })

  it('shows a person the invitation on a line of its own', async () => {
    const { stdout } = await s.run(['device', 'add', 'alice', 'phone'])
    const lines = stdout.split('\n')
    const invitation = parseInvitation(lines.find(line => line.startsWith('oneknock://'))!)
    expect(invitation.ok && invitation.value).toMatchObject({ user: 'alice', device: 'phone' })
    expect(stdout).not.toContain('\x1b')
    const shown = await s.run(['device', 'add', 'alice', 'tablet', '--invitation-qr'])
    expect(shown.stdout).toContain('\x1b[38;5;231')
  })

  it.each([
    [
      ['alice', 'laptop'],
      'alice has a device laptop already; remove it first, or take another label',
    ],
    [['bob', 'phone'], 'there is no user bob; see: oneknockd user list --config CONFIG'],
    [['alice', 'Phone'], '"Phone" cannot name a device: a name is 1 to 32 of a-z, 0-9 and -'],
  ])('%j is refused, and nothing changes', async (args, line) => {
    expect(await s.run(['device', 'add', ...args])).toEqual({
      status: 1,
      stdout: '',
      stderr: `oneknockd: ${line.replace('CONFIG', s.config)}\n`,
    })
    expect(text()).toBe(BY_HAND)
    expect(readdirSync(s.users)).toEqual(['alice.toml'])
  })

  it('refuses a file that it cannot extend, and tells no key', async () => {
    const braces = `services = []\ndevices = { laptop = { key = "${KEY}", enrolled = 2026-01-01T00:00:00Z } }\n`
    write(s.userFile('alice'), braces)
    const refused = await s.run(['device', 'add', 'alice', 'phone'])
    expect(refused).toEqual({
      status: 1,
      stdout: '',
      stderr: `oneknockd: ${s.userFile('alice')} is written in a way that this command cannot edit; write each device under its own [devices.LABEL], or edit it by hand\n`,
    })
    expect(text()).toBe(braces)
    expect(await s.run(['device', 'remove', 'alice', 'laptop'])).toMatchObject({ status: 1 })
    expect(text()).toBe(braces)
  })

  it('refuses a file that is wrong already, and says where', async () => {
    write(s.userFile('alice'), 'services = ["ssh"]\n')
    expect(await s.run(['device', 'add', 'alice', 'phone'])).toMatchObject({
      status: 1,
      stderr: `oneknockd: ${s.userFile('alice')}:1: services[0]: found "ssh"; no such service; the configuration has web, wiki\n`,
    })
  })

  it('loses neither of two that come at once: one is told to come again', async () => {
    const both = await Promise.all(
      ['a', 'b'].map(label => s.run(['device', 'add', 'alice', label, '--json'])),
    )
    const done = both.filter(({ status }) => status === 0)
    for (const { stderr } of both.filter(({ status }) => status !== 0)) {
      expect(stderr).toContain('another command is changing it')
    }
    expect((await s.run(['check'])).stdout).toContain(`1 user, ${1 + done.length} device`)
    for (const { stdout } of done) expect(text()).toContain(JSON.parse(stdout).device_key)
    expect(readdirSync(s.users)).toEqual(['alice.toml'])
  })
})

describe('oneknockd device remove', () => {
  it('takes the device out, and keeps what stands there by hand', async () => {
    await s.run(['device', 'add', 'alice', 'phone'])
    expect(await s.run(['device', 'remove', 'alice', 'phone'])).toMatchObject({
      status: 0,
      stdout: 'alice has no device "phone" any more.\n',
    })
    expect(text()).toBe(BY_HAND)
    expect(await s.run(['device', 'remove', 'alice', 'laptop', '--json'])).toMatchObject({
      status: 0,
      stdout: '{"user":"alice","device":"laptop"}\n',
    })
    expect(text()).toBe('# Alice, room 12.\nservices = ["wiki"] # and no more\n')
  })

  it('of a device that is not there is refused', async () => {
    expect(await s.run(['device', 'remove', 'alice', 'phone'])).toEqual({
      status: 1,
      stdout: '',
      stderr: `oneknockd: alice has no device phone; see: oneknockd user show alice --config ${s.config}\n`,
    })
    expect(text()).toBe(BY_HAND)
  })
})
