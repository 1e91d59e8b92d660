import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { stringify } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { formatConfigError } from '../../../server/src/config.ts'
import type { User } from '../../../server/src/core/directory.ts'
import { formatUser, totpFactor } from '../../../server/src/users/user.ts'
import { parseUser } from '../../../server/src/users.ts'
import { anyUser, CONFIG } from './arbitrary.ts'

const KEY = 'pUnRmKMdPMQZdxE7Abr1wiA62G4m9HDAFcnT_qvsiGI'
const SECRET = 'HSJAA3RJK5MDOOUJ2CS2X3UQ4EHPFYCN'
const CODE = 'kQIeONzDMU9wM96iMSSsnw:z3LMFvaQjaOikueJoocVwToVQAbRnEBMyzK19EM_flU'

async function good(text: string, name = 'alice'): Promise<User> {
  const user = await parseUser(CONFIG, name, text)
  expect(user.ok ? [] : user.error.map(formatConfigError)).toEqual([])
  if (!user.ok) throw new Error('not reached')
  return user.value
}

async function complaints(text: string): Promise<string[]> {
  const user = await parseUser(CONFIG, 'alice', text)
  return user.ok ? [] : user.error.map(formatConfigError)
}

describe("a user's file", () => {
  it('is understood', async () => {
    const user = await good(`
services = ["ssh", "wiki"]
locked = true
other_address = true
recovery = ["${CODE}"]

[totp]
secret = "${SECRET}"

[devices.laptop]
key = "${KEY}"
enrolled = 2026-11-21T23:38:00Z

[devices.10]
key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
enrolled = 2026-11-22T01:38:00+02:00
`)
    const enrolledAt = Date.UTC(2026, 10, 21, 23, 38)
    expect(user).toMatchObject({ name: 'alice', services: ['ssh', 'wiki'] })
    expect(user).toMatchObject({ locked: true, otherAddress: true })
    expect(user.devices).toEqual([
      { user: 'alice', label: '10', id: 'alice/10', key: new Uint8Array(32), enrolledAt },
      {
        user: 'alice',
        label: 'laptop',
        id: 'alice/laptop',
        key: new Uint8Array(Buffer.from(KEY, 'base64url')),
        enrolledAt,
      },
    ])
    const [salt, hash] = CODE.split(':').map(text => new Uint8Array(Buffer.from(text, 'base64url')))
    expect(user.recovery).toEqual([{ id: Buffer.from(hash!).toString('hex', 0, 8), salt, hash }])
  })

  it('needs only its services', async () => {
    expect(await good('services = []')).toEqual({
      name: 'alice',
      services: [],
      devices: [],
      totp: undefined,
      recovery: [],
      otherAddress: false,
      locked: false,
    })
  })

  it('is read back as it was written', async () => {
    await fc.assert(
      fc.asyncProperty(anyUser, async user => {
        expect(await good(formatUser(user), user.name)).toEqual(user)
      }),
    )
  })

  it('has a name for its secret that is the same wherever the secret is, and does not tell it', async () => {
    const secret = new Uint8Array(20).fill(7)
    const { id } = totpFactor(secret)
    const digest = createHash('sha256').update('oneknock totp').update(secret).digest('hex')
    expect(id).toBe(digest.slice(0, 16))
    const bob = await good(`services = []\ntotp.secret = "${'A'.repeat(32)}"`, 'bob')
    const eve = await good(`services = []\ntotp.secret = "${'a'.repeat(32)}"`, 'eve')
    expect(bob.totp).toEqual(eve.totp)
  })
})

describe('an error names the line and the key, and never a secret', () => {
  const KEY_RULE = 'write 43 characters of base64url; `oneknockd device add` makes a key'
  const TIME_RULE = 'write a time with its zone, such as 2026-11-21T23:38:00Z'
  const SECRET_RULE = 'write at least 26 characters of base32 (a-z, 2-7)'
  const CODE_RULE =
    'write "SALT:HASH" in base64url, 22 and 43 characters; `oneknockd user add` makes them'
  it.each([
    ['', 'users/alice.toml: services: nothing there; write a list, such as ["ssh"]'],
    ['services = "ssh"', ':1: services: found "ssh"; write a list, such as ["ssh"]'],
    ['services = [7]', ':1: services[0]: found 7; write the name of a service'],
    ['services = ["shh"]', ':1: services[0]: found "shh"; no such service; did you mean ssh?'],
    [
      'services = ["printer"]',
      ':1: services[0]: found "printer"; no such service; the configuration has ssh, wiki, a-b',
    ],
    [
      'services = ["ssh", "ssh"]',
      ':1: services[1]: found "ssh"; it stands here twice; leave this one out',
    ],
    ['services = []\nlocked = 1', ':2: locked: found 1; write true or false'],
    ['services = []\nlokced = true', ':2: lokced: no such key; did you mean locked?'],
    ['services = []\ntotp = "x"', ':2: totp: found "x"; write a table'],
    ['services = []\ntotp.secret = "s3cret1"', `:2: totp.secret: ${SECRET_RULE}`],
    ['services = []\ntotp.secret = "MZXW6YTBOI"', `:2: totp.secret: ${SECRET_RULE}`],
    ['services = []\ntotp.secret = 123456', `:2: totp.secret: ${SECRET_RULE}`],
    ['services = []\nrecovery = ["s3cret"]', `:2: recovery[0]: ${CODE_RULE}`],
    ['services = []\nrecovery = "s3cret"', ':2: recovery: write a list of "SALT:HASH"'],
    [
      `services = []\ndevices.a.enrolled = 2026-01-01T00:00:00Z\ndevices.a.key = "${KEY}A"`,
      `:3: devices.a.key: ${KEY_RULE}`,
    ],
    [
      `services = []\ndevices.a.enrolled = 2026-01-01\ndevices.a.key = "${KEY}"`,
      `:2: devices.a.enrolled: found a date; ${TIME_RULE}`,
    ],
    [
      `services = []\ndevices.a.enrolled = "today"\ndevices.a.key = "${KEY}"`,
      `:2: devices.a.enrolled: found "today"; ${TIME_RULE}`,
    ],
    [
      `services = []\n[devices.a]\nkey = "${KEY}"`,
      `:2: devices.a.enrolled: nothing there; ${TIME_RULE}`,
    ],
    [
      `services = []\n[devices.My-Laptop]\nkey = "${KEY}"\nenrolled = 2026-01-01T00:00:00Z`,
      ':2: devices.My-Laptop: a name is 1 to 32 of a-z, 0-9 and -',
    ],
  ])('%s', async (text, expected) => {
    const [line, ...rest] = await complaints(text)
    expect(rest).toEqual([])
    expect(line?.endsWith(expected), line).toBe(true)
    expect(line).not.toMatch(/s3cret|123456|MZXW|pUnR/)
  })

  it('never throws, whatever the values are', async () => {
    const value = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('2999-01-01') }),
      fc.array(fc.oneof(fc.string(), fc.constant('ssh'))),
      fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }),
    )
    const table = fc.record({
      services: value,
      recovery: value,
      totp: value,
      devices: fc.oneof(value, fc.dictionary(fc.string(), value, { noNullPrototype: true })),
    })
    await fc.assert(
      fc.asyncProperty(table, async any => {
        const user = await parseUser(CONFIG, 'alice', stringify(any))
        if (user.ok) expect(user.value.services.every(name => CONFIG.services.has(name))).toBe(true)
        else expect(user.error.length).toBeGreaterThan(0)
      }),
    )
  })
})
