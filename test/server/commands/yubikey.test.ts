import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromHex } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { write } from '../config/scratch.ts'
import { hasYkgenerate, touch } from '../touch.ts'
import { lacking } from './cli.ts'
import { Person } from './person.ts'
import { piped } from './piped.ts'
import { type Site, site } from './site.ts'

const BY_HAND = `# Alice, room 12.
services = ["web", "wiki"]
`
const TOKEN = {
  publicId: 'vvccccbbbbdd',
  privateId: '8792ebfe26cc',
  key: 'ecde18dbe76fbd0c33330f1c354871db',
}
const KNOWN = {
  publicId: TOKEN.publicId,
  privateId: fromHex(TOKEN.privateId)!,
  key: fromHex(TOKEN.key)!,
}

/** As `ykman otp yubiotp` 5 prints what it made. */
const YKMAN = `Using a randomly generated private ID: ${TOKEN.privateId}
Using YubiKey serial as public ID: ${TOKEN.publicId}
Using a randomly generated secret key: ${TOKEN.key}
`
/** As `ykpersonalize -v` does. */
const YKPERSONALIZE = `Firmware version 3.4.3 Touch level 1541 Program sequence 3

Configuration data to be written to key configuration 1:

fixed: m:${TOKEN.publicId}
uid: h:${TOKEN.privateId}
key: h:${TOKEN.key}
acc_code: h:000000000000
`

let s: Site
beforeEach(() => {
  s = site()
  write(s.userFile('alice'), BY_HAND)
})

const text = () => readFileSync(s.userFile('alice'), 'utf8')
const verify = (otp: string) => s.run(['otp', 'verify', 'alice', otp])

describe('yubikey add', () => {
  it.each([
    ['three lines', `${TOKEN.publicId}\n${TOKEN.privateId}\n${TOKEN.key}\n`],
    ['what ykman prints', YKMAN],
    ['what ykpersonalize prints', YKPERSONALIZE],
  ])('reads %s, and shows no secret', async (_, input) => {
    const added = await piped(s.config, input, 'yubikey', 'add', 'alice', 'blue', '--json')
    expect({ ...added, stdout: JSON.parse(added.stdout) }).toMatchObject({
      status: 0,
      stdout: { user: 'alice', yubikey: 'blue', public_id: TOKEN.publicId, online: false },
    })
    expect(added.stdout + added.stderr).not.toContain(TOKEN.key)
    expect(text()).toBe(`${BY_HAND}
[yubikeys.blue]
public_id = "${TOKEN.publicId}"
private_id = "${TOKEN.privateId}"
key = "${TOKEN.key}"
`)
  })

  it.skipIf(lacking(hasYkgenerate))('is good for a touch, once; a lost one is not', async () => {
    await piped(s.config, YKMAN, 'yubikey', 'add', 'alice', 'blue')
    const otp = touch(KNOWN, 7, 0)
    expect(await verify(otp)).toMatchObject({ status: 0, stdout: 'alice: right\n' })
    expect(await verify(otp)).toMatchObject({ status: 1, stdout: 'alice: factor-used\n' })
    expect(await s.run(['yubikey', 'remove', 'alice', 'blue'])).toMatchObject({
      status: 0,
      stdout: 'alice has no YubiKey "blue" any more.\n',
    })
    expect(text()).toBe(BY_HAND)
    expect(await verify(touch(KNOWN, 8, 0))).toMatchObject({ stdout: 'alice: wrong-factor\n' })
  })

  it.skipIf(lacking(hasYkgenerate))('makes a token, and says how to write it', async () => {
    const { stdout } = await s.run(['yubikey', 'add', 'alice', 'blue', '--generate'])
    const [, publicId, privateId, key] =
      /^ykman otp yubiotp --public-id (\w+) --private-id (\w+) --key (\w+) 1$/m.exec(stdout) ?? []
    expect(publicId).toMatch(/^vv[cbdefghijklnrtuv]{10}$/)
    const made = { publicId: publicId!, privateId: fromHex(privateId!)!, key: fromHex(key!)! }
    expect(await verify(touch(made, 1, 0))).toMatchObject({ status: 0 })
    const other = await s.run(['yubikey', 'add', 'alice', 'red', '--generate', '--json'])
    expect(JSON.parse(other.stdout)).toMatchObject({
      public_id: expect.not.stringMatching(publicId!),
      private_id: expect.stringMatching(/^[0-9a-f]{12}$/),
      key: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
  })

  it('limits what it opens, and shows it', async () => {
    await piped(s.config, YKMAN, 'yubikey', 'add', 'alice', 'blue', '--services', 'wiki')
    const shown = await s.run(['user', 'show', 'alice'])
    expect(shown.stdout).toMatch(new RegExp(`^yubikey blue +${TOKEN.publicId}, only wiki$`, 'm'))
    const told = JSON.parse((await s.run(['user', 'show', 'alice', '--json'])).stdout)
    expect(told.yubikeys).toEqual([
      { yubikey: 'blue', public_id: TOKEN.publicId, online: false, services: ['wiki'] },
    ])
    // Whoever has a code looked at opens none of these.
    if (hasYkgenerate) {
      expect(await verify(touch(KNOWN, 7, 0))).toMatchObject({ stdout: 'alice: service\n' })
    }
  })

  it.each([
    [
      'a key that is too short',
      `${TOKEN.publicId}\n${TOKEN.privateId}\necde18db\n`,
      [],
      'secret key',
    ],
    ['no modhex', `aaaaaaaaaaaa\n${TOKEN.privateId}\n${TOKEN.key}\n`, [], 'public id'],
    ['nothing', '', [], 'public id'],
    [
      'an order of its own',
      `${TOKEN.key}\n${TOKEN.publicId}\n${TOKEN.privateId}\n`,
      [],
      'public id',
    ],
    ['a service that is not theirs', YKMAN, ['--services', 'ssh'], 'may not open ssh'],
    ['no validation server', `${TOKEN.publicId}\n`, ['--online'], 'names no validation server'],
    ['two wishes', '', ['--online', '--generate'], 'cannot be used with'],
  ])('refuses %s, and tells nothing of it', async (_, input, options, complaint) => {
    const args = ['yubikey', 'add', 'alice', 'blue', ...options]
    const refused = await piped(s.config, input, ...args)
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining(complaint) })
    expect(refused.stderr).not.toMatch(/ecde18db|8792ebfe/)
    expect(text()).toBe(BY_HAND)
  })

  it('does not take the same label, or the same token, twice', async () => {
    await piped(s.config, YKMAN, 'yubikey', 'add', 'alice', 'blue')
    const again = await piped(s.config, YKMAN, 'yubikey', 'add', 'alice', 'blue')
    expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining('blue already') })
    const twice = await piped(s.config, YKMAN, 'yubikey', 'add', 'alice', 'red')
    expect(twice).toMatchObject({ status: 1, stderr: expect.stringContaining('as blue') })
    const gone = await s.run(['yubikey', 'remove', 'alice', 'red'])
    expect(gone).toMatchObject({ status: 1, stderr: expect.stringContaining('no YubiKey red') })
  })

  let person: Person | undefined
  afterEach(() => person?.leave())
  it.skipIf(lacking(spawnSync('script', ['--version']).status === 0))(
    'asks a person, and shows nothing of what is typed',
    async () => {
      person = new Person(s, 'yubikey add alice blue')
      await person.sees('The public id:')
      person.type(`${TOKEN.publicId}\r`)
      await person.sees('The private id:')
      person.type(`${TOKEN.privateId}\r`)
      await person.sees('The secret key:')
      person.type(`${TOKEN.key}\r`)
      await person.sees('status=0')
      expect(person.shown).not.toMatch(new RegExp(`${TOKEN.key}|${TOKEN.privateId}`))
      expect(text()).toContain(TOKEN.key)
    },
  )
})

describe('a token that is checked online', () => {
  let server: string
  beforeEach(() => {
    const key = write(join(s.folder, 'yubikey.key'), `${'c2l4'.repeat(6)}\n`)
    server = `
[yubikey]
servers = ["https://api.example.com/wsapi/2.0/verify"]
client_id = 1
key_file = "${key}"
`
    write(s.config, readFileSync(s.config, 'utf8') + server)
  })

  it('is known by its public id, which a touch says', async () => {
    const otp = `${TOKEN.publicId}${'c'.repeat(32)}`
    const added = await piped(s.config, `${otp}\n`, 'yubikey', 'add', 'alice', 'green', '--online')
    expect(added).toMatchObject({ status: 0 })
    expect(text()).toContain(`public_id = "${TOKEN.publicId}"\nonline = true\n`)
    expect((await s.run(['check'])).stdout).toContain('is right')
    expect((await s.run(['user', 'show', 'alice'])).stdout).toContain('checked online')
  })

  it.each([
    ['online = true\nkey = "ecde18dbe76fbd0c33330f1c354871db"', 'validation server asked'],
    ['private_id = "8792ebfe26cc"', 'validation server asked'],
    ['', 'validation server asked'],
    ['online = true\nservices = ["ssh"]', 'at the top, do not have it'],
  ])('is written as %j in no file', async (lines, complaint) => {
    write(s.userFile('alice'), `${BY_HAND}[yubikeys.green]\npublic_id = "cccccccccccc"\n${lines}\n`)
    const { status, stderr } = await s.run(['check'])
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(complaint) })
    expect(stderr).not.toContain('ecde18db')
  })

  it('needs somebody to ask', async () => {
    write(s.config, readFileSync(s.config, 'utf8').replace(server, ''))
    write(
      s.userFile('alice'),
      `${BY_HAND}[yubikeys.green]\npublic_id = "cccccccccccc"\nonline = true`,
    )
    expect((await s.run(['check'])).stderr).toContain(
      'alice.toml:5: yubikeys.green.online: the configuration names no validation server',
    )
  })

  it.each([
    ['servers = ["http://api.example.com/verify"]', 'http is for this host alone'],
    ['servers = []', 'write one to five URLs'],
    ['client_id = "1"', 'write the number'],
    ['key_env = "KEY"', 'not both'],
  ])('is not configured with %s', async (line, complaint) => {
    const key = line.split(' ')[0]!
    const lines = server.split('\n').filter(other => !other.startsWith(`${key} `))
    const config = readFileSync(s.config, 'utf8').replace(server, `${lines.join('\n')}${line}\n`)
    write(s.config, config)
    expect((await s.run(['check'])).stderr).toContain(complaint)
  })
})
