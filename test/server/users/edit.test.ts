import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addDevice, removeDevice } from '../../../server/src/users/edit.ts'
import { device, formatUser } from '../../../server/src/users/user.ts'
import { parseUser } from '../../../server/src/users.ts'
import { anyUser, CONFIG } from './arbitrary.ts'

const PHONE = device('alice', 'phone', new Uint8Array(32), Date.UTC(2026, 10, 21, 23, 38))
const PHONE_TEXT = `[devices.phone]
key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
enrolled = 2026-11-21T23:38:00Z
`

const BY_HAND = `# Alice, room 12. Ask her before you touch this.
services = [
  "ssh", # for the servers
  "wiki",
]

# Her old laptop.
[devices.laptop] # stolen?
key      = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
enrolled = 2026-01-01T00:00:00Z # about
`

describe('adding a device', () => {
  it('appends its table, and touches nothing', () => {
    expect(addDevice(BY_HAND, PHONE)).toBe(`${BY_HAND}\n${PHONE_TEXT}`)
    expect(addDevice('services = []', PHONE)).toBe(`services = []\n\n${PHONE_TEXT}`)
  })
})

describe('removing a device', () => {
  it('takes its lines out, and touches no others', async () => {
    expect(await removeDevice(addDevice(BY_HAND, PHONE), 'phone')).toBe(BY_HAND)
    expect(await removeDevice(addDevice(BY_HAND, PHONE), 'laptop')).toBe(
      addDevice(BY_HAND.slice(0, BY_HAND.indexOf('[devices.laptop]')), PHONE),
    )
  })

  it.each([
    [
      'dotted keys',
      'devices.a.key = "x"\ndevices.b.key = "y"\ndevices.a.enrolled = 1\n',
      'devices.b.key = "y"\n',
    ],
    ['one table for all', '[devices]\na.key = "x"\nb.key = "y"\n', '[devices]\nb.key = "y"\n'],
    [
      'inline tables',
      '[devices]\na = { key = "x" }\nb = { key = "y" }\n',
      '[devices]\nb = { key = "y" }\n',
    ],
    [
      'quoted keys',
      '["devices"."a"]\nkey = "x"\n[devices.b]\nkey = "y"\n',
      '[devices.b]\nkey = "y"\n',
    ],
    [
      'several lines',
      '[devices.a]\nkey = """\nx"""\n[devices.b]\nkey = "y"\n',
      '[devices.b]\nkey = "y"\n',
    ],
    [
      'Windows lines',
      '[devices.b]\r\nkey = "y"\r\n\r\n[devices.a]\r\nkey = "x"\r\n',
      '[devices.b]\r\nkey = "y"\r\n',
    ],
    ['a name that begins alike', '[devices.ab]\nkey = "x"\n', '[devices.ab]\nkey = "x"\n'],
    [
      'everything inside braces',
      'devices = { a = { key = "x" } }\n',
      'devices = { a = { key = "x" } }\n',
    ],
  ])('written as %s', async (_, before, after) => {
    expect(await removeDevice(before, 'a')).toBe(after)
  })

  it('leaves what is no TOML alone', async () => {
    expect(await removeDevice('[devices.a', 'a')).toBe('[devices.a')
  })
})

it('what was added means one device more, and removing it gives the old text back', async () => {
  await fc.assert(
    fc.asyncProperty(anyUser, async user => {
      const before = formatUser({ ...user, devices: user.devices.filter(d => d.label !== 'phone') })
      const after = addDevice(before, PHONE)
      const parsed = await parseUser(CONFIG, user.name, after)
      expect(parsed.ok && parsed.value.devices.map(({ label }) => label)).toContain('phone')
      expect(await removeDevice(after, 'phone')).toBe(before)
    }),
  )
})
