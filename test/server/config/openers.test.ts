import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../server/src/config.ts'
import type { Service } from '../../../server/src/core/directory.ts'
import { formatUser } from '../../../server/src/users/user.ts'
import { parseUser, type UsersConfig } from '../../../server/src/users.ts'

const HEAD = 'public = "gate.example.com"\n'
const PRINT = 'a1'.repeat(32)

async function config(text: string) {
  const parsed = await parseConfig('/etc/oneknock/oneknockd.toml', HEAD + text)
  return parsed.ok ? parsed.value : expect.fail(JSON.stringify(parsed.error, undefined, 1))
}

async function service(text: string): Promise<Service> {
  return (await config(`[services.s]\n${text}`)).services.get('s')!
}

/** `key: message` of each. */
async function problems(text: string): Promise<string[]> {
  const parsed = await parseConfig('/etc/oneknock/oneknockd.toml', HEAD + text)
  if (parsed.ok) return []
  return parsed.error.map(({ key, message }) => `${key}: ${message}`)
}

const router = (own: string) =>
  `[services.s.routeros]\nurl = "https://192.0.2.1"\nuser = "oneknock"\n${own}\n`
const TRUSTED = `password_env = "ROUTER"\nfingerprint = "${PRINT}"`
const POST =
  '[delivery.post]\nmail = { server = "smtp://mail.example.com", from = "a@example.com" }\n'

const GATE = 'gate = { listen = "0.0.0.0:1", forward = "h:2" }'
const DOOR = '[http]\nlisten = ["127.0.0.1:8975"]\npublic = "https://gate.example.com:8975/"\n'

describe('an approval', () => {
  it('says which way to ask, whom, and for how long an answer is waited for', async () => {
    const asked = async (own: string) =>
      (await config(`${POST}${DOOR}[services.s]\n${GATE}\n${own}`)).services.get('s')!.approval
    expect(await asked('')).toBeUndefined()
    expect(await asked('approval = "post"')).toEqual({ channel: 'post', timeoutMs: 120_000 })
    expect(await asked('approval = "post"\napprover = "bob"\napproval_timeout = "5m"')).toEqual({
      channel: 'post',
      approver: 'bob',
      timeoutMs: 300_000,
    })
  })

  it.each([
    [POST + DOOR, 'approval = "phone"', 'approval: there is no such way: write [delivery.phone]'],
    [POST, 'approval = "post"', 'approval: is answered by a link, which nothing would answer'],
    [
      `${POST}[http]\nlisten = ["127.0.0.1:8975"]\n`,
      'approval = "post"',
      'approval: is answered by a link, which nothing would answer: write [http] with public',
    ],
    [POST + DOOR, 'approver = "bob"', 'approver: belongs to an approval, but there is none'],
    [
      POST + DOOR,
      'approval_timeout = "1m"',
      'approval_timeout: belongs to an approval, but there is none',
    ],
    [
      POST + DOOR,
      'approval = "post"\napproval_timeout = "10m"',
      'approval_timeout: write a duration from "10s" to "9m"',
    ],
    [POST + DOOR, 'approval = "post"\napprover = "Bob"', 'approver: '],
  ])('%s %s', async (around, own, expected) => {
    expect(await problems(`${around}[services.s]\n${GATE}\n${own}`)).toEqual([
      expect.stringContaining(`services.s.${expected}`),
    ])
  })
})

describe('a permit', () => {
  it('says where to, for which account, and in which file', async () => {
    expect(
      (await service('permit = ["mail.internal:993", "[2001:db8::5]:22"]\naccount = "jump"'))
        .permit,
    ).toEqual({
      to: [
        { host: 'mail.internal', port: 993 },
        { host: '2001:db8::5', port: 22 },
      ],
      account: 'jump',
      file: undefined,
    })
    const { permit } = await service(
      'permit = ["db:1"]\naccount = "jump"\nauthorized_keys = "/etc/ssh/jump"',
    )
    expect(permit!.file).toBe('/etc/ssh/jump')
  })

  it.each([
    ['permit = []\naccount = "jump"', 'services.s.permit: write at least one host and port'],
    ['permit = ["mail"]\naccount = "jump"', 'services.s.permit[0]: write a host and a port'],
    [
      'permit = ["a\\",command=\\"sh:1"]\naccount = "jump"',
      'services.s.permit[0]: write a host and a port',
    ],
    ['permit = ["*:993"]\naccount = "jump"', 'services.s.permit[0]: write a host and a port'],
    ['permit = ["db:1"]', 'services.s.permit: says where to, but not for whom'],
    [
      'gate = { listen = "0.0.0.0:1", forward = "h:2" }\naccount = "jump"',
      'services.s.account: belongs to a permit',
    ],
    [
      'gate = { listen = "0.0.0.0:1", forward = "h:2" }\nauthorized_keys = "/k"',
      'services.s.authorized_keys: belongs to a permit',
    ],
    [
      'permit = ["db:1"]\naccount = "jump"\nauthorized_keys = "keys"',
      'services.s.authorized_keys: write a full path',
    ],
    ['permit = ["db:1"]\naccount = "../jump"', 'services.s.account: write the name of an account'],
    [
      'permit = ["db:1"]\naccount = "jump"\nexec.open = ["/bin/true"]',
      'services.s.exec: opens for an address, permit for each user',
    ],
    [
      'permit = ["db:1"]\naccount = "jump"\ngate = { listen = "0.0.0.0:1", forward = "h:2" }',
      'services.s.gate: opens for an address, permit for each user',
    ],
    [
      'gate = { listen = "0.0.0.0:1", forward = "h:2" }\nexec = { open = ["/bin/true"], per_user = true }',
      'services.s.gate: opens for an address, exec.per_user for each user',
    ],
  ])('%s', async (text, expected) => {
    expect(await problems(`[services.s]\n${text}`)).toEqual([expect.stringContaining(expected)])
  })

  it('and ports are two services', async () => {
    const text = '[services.s]\nports = ["tcp/22"]\npermit = ["db:1"]\naccount = "jump"'
    expect(await problems(`firewall.backend = "nftables"\n${text}`)).toEqual([
      expect.stringContaining('services.s.ports: opens for an address, permit for each user'),
    ])
  })
})

describe('a router', () => {
  it('has an address list, or logins', async () => {
    const list = await config(router(`${TRUSTED}\nlist = "oneknock"`))
    expect(list.services.get('s')!.routeros).toEqual({
      url: 'https://192.0.2.1',
      user: 'oneknock',
      password: { kind: 'environment', variable: 'ROUTER' },
      trust: { kind: 'fingerprint', sha256: PRINT },
      opens: { kind: 'list', list: 'oneknock' },
    })
    const login = await config(
      POST +
        router('password_file = "/etc/p"\nca = "/etc/ca.pem"\ngroup = "write"\ndeliver = "post"'),
    )
    expect(login.services.get('s')!.routeros).toMatchObject({
      password: { kind: 'file', path: '/etc/p' },
      trust: { kind: 'ca', file: '/etc/ca.pem' },
      opens: { kind: 'login', group: 'write', deliver: 'post' },
    })
  })

  it.each([PRINT.toUpperCase(), `SHA256:${PRINT}`, PRINT.replace(/..(?=.)/g, '$&:')])(
    'may have its fingerprint written as %s',
    async written => {
      const { services } = await config(
        router(`password_env = "R"\nfingerprint = "${written}"\nlist = "l"`),
      )
      expect(services.get('s')!.routeros!.trust).toEqual({ kind: 'fingerprint', sha256: PRINT })
    },
  )

  const login = 'group = "write"\ndeliver = "post"'
  it.each([
    [`${TRUSTED}`, 'services.s.routeros: write either list = "…", for an address list, or group'],
    [
      `${TRUSTED}\nlist = "l"\n${login}`,
      'services.s.routeros: write either list = "…", for an address list, or group',
    ],
    [`${TRUSTED}\ngroup = "write"`, 'services.s.routeros: group and deliver go together'],
    [
      `${TRUSTED}\n${login}`,
      'services.s.routeros.deliver: there is no such way: write [delivery.post]',
    ],
    [`fingerprint = "${PRINT}"\nlist = "l"`, 'services.s.routeros: write password_file = '],
    [
      `${TRUSTED}\npassword_file = "/p"\nlist = "l"`,
      'services.s.routeros: write password_file or password_env, not both',
    ],
    ['password_env = "R"\nlist = "l"', 'services.s.routeros: write either fingerprint or ca'],
    [`${TRUSTED}\nca = "/ca"\nlist = "l"`, 'services.s.routeros: write either fingerprint or ca'],
    [
      'password_env = "R"\nfingerprint = "a1b2"\nlist = "l"',
      'services.s.routeros.fingerprint: write the SHA-256',
    ],
    [`${TRUSTED}\nlist = "two words"`, 'services.s.routeros.list: write a name of letters'],
    [`password = "secret"\n${TRUSTED}\nlist = "l"`, 'services.s.routeros.password: no such key'],
  ])('%s', async (own, expected) => {
    expect(await problems(router(own))).toEqual([expect.stringContaining(expected)])
  })

  it.each([
    'http://192.0.2.1',
    'https://user@192.0.2.1',
    'https://192.0.2.1/rest',
    'ftp://a',
    'https://',
  ])('is not at %s', async url => {
    const text = router(`${TRUSTED}\nlist = "l"`).replace('https://192.0.2.1', url)
    expect(await problems(text)).toEqual([
      expect.stringContaining('services.s.routeros.url: write'),
    ])
  })

  it('cannot cut what an address list let in', async () => {
    const text = `[services.s]\non_expiry = "cut"\n${router(`${TRUSTED}\nlist = "l"`)}`
    expect(await problems(text)).toEqual([
      expect.stringContaining('services.s.on_expiry: cannot be'),
    ])
  })

  it('has each list for one service', async () => {
    const one = router(`${TRUSTED}\nlist = "l"`)
    const text = one + one.replace('services.s.', 'services.t.')
    expect(await problems(text)).toEqual([
      expect.stringContaining(
        'services.t.routeros.list: l of https://192.0.2.1 is that of services.s',
      ),
    ])
    expect(await problems(text.replace('https://192.0.2.1', 'https://192.0.2.2'))).toEqual([])
  })

  it('and a permit are two services, if each user has a login', async () => {
    const text = `[services.s]\npermit = ["db:1"]\naccount = "jump"\n${router(`${TRUSTED}\n${login}`)}${POST}`
    expect(await problems(text)).toEqual([
      expect.stringContaining('services.s.routeros: opens for an address'),
    ])
  })
})

describe('a lifetime', () => {
  const PERMIT = 'permit = ["db:1"]\naccount = "jump"\n'

  it('may grow', async () => {
    const grown = await service(`${PERMIT}lifetime = { base = "20m", grows = 2.5, cap = "50h" }`)
    expect(grown).toMatchObject({ lifetime: 1_200, maxLifetime: 180_000, grows: 2.5 })
    expect(await service(`${PERMIT}lifetime = "20m"`)).toMatchObject({ maxLifetime: 1_200 })
  })

  it.each([
    [
      'lifetime = { base = "20m", grows = 2, cap = "10m" }',
      'services.s.lifetime.cap: less than base',
    ],
    [
      'lifetime = { base = "20m", grows = 1, cap = "1h" }',
      'services.s.lifetime.grows: write by how much',
    ],
    [
      'lifetime = { base = "20m", grows = 11, cap = "1h" }',
      'services.s.lifetime.grows: write by how much',
    ],
    ['lifetime = { base = "20m", cap = "1h" }', 'services.s.lifetime.grows: nothing there'],
    [
      'lifetime = { base = "soon", grows = 2, cap = "1h" }',
      'services.s.lifetime.base: write a duration',
    ],
    ['lifetime = 20', 'services.s.lifetime: write a duration'],
    [
      'lifetime = { base = "20m", grows = 2, cap = "1h" }\nmax_lifetime = "2h"',
      'services.s.max_lifetime: lifetime.cap says it already',
    ],
  ])('%s', async (text, expected) => {
    expect(await problems(`[services.s]\n${PERMIT}${text}`)).toEqual([
      expect.stringContaining(expected),
    ])
  })
})

describe('a way to people', () => {
  const DOOR = '[services.s]\ngate = { listen = "0.0.0.0:1", forward = "h:2" }\n'
  const way = async (text: string) =>
    (await config(`${DOOR}[delivery.way]\n${text}`)).delivery.get('way')

  it('is mail, ntfy or a webhook', async () => {
    expect(
      await way('mail = { server = "smtps://mail.example.com", from = "gate@example.com" }'),
    ).toEqual({
      kind: 'mail',
      server: { host: 'mail.example.com', port: 465 },
      tls: 'at once',
      ca: undefined,
      from: 'gate@example.com',
      login: undefined,
    })
    const mail =
      'server = "smtp://[::1]:2525", from = "a@b", ca = "/ca", user = "gate", password_env = "P"'
    expect(await way(`mail = { ${mail} }`)).toMatchObject({
      server: { host: '::1', port: 2525 },
      tls: 'starttls',
      ca: '/ca',
      login: { user: 'gate', password: { kind: 'environment', variable: 'P' } },
    })
    expect(await way('ntfy = { server = "https://ntfy.example.com", token_file = "/t" }')).toEqual({
      kind: 'ntfy',
      url: 'https://ntfy.example.com',
      token: { kind: 'file', path: '/t' },
    })
    expect(await way('ntfy = { server = "http://127.0.0.1:8080" }')).toMatchObject({
      token: undefined,
    })
    expect(
      await way('webhook = { url = "https://chat.example.com/hook", secret_env = "S" }'),
    ).toEqual({
      kind: 'webhook',
      url: 'https://chat.example.com/hook',
      secret: { kind: 'environment', variable: 'S' },
    })
  })

  it.each([
    ['', 'delivery.way: write one way'],
    [
      'ntfy = { server = "https://a" }\nwebhook = { url = "https://b", secret_env = "S" }',
      'delivery.way: write one way',
    ],
    ['webhook = { url = "https://b" }', 'delivery.way.webhook: write secret_file ='],
    [
      'webhook = { url = "http://b.example.com", secret_env = "S" }',
      'delivery.way.webhook.url: write an https address',
    ],
    [
      'webhook = { url = "https://a:b@c", secret_env = "S" }',
      'delivery.way.webhook.url: write an https address',
    ],
    ['ntfy = { server = "ntfy.sh" }', 'delivery.way.ntfy.server: write an https address'],
    [
      'ntfy = { server = "https://a", token_env = "1" }',
      'delivery.way.ntfy.token_env: write the name of an environment',
    ],
    [
      'mail = { server = "mail.example.com", from = "a@b" }',
      'delivery.way.mail.server: write the mail server',
    ],
    [
      'mail = { server = "smtp://a", from = "Anna <a@b>" }',
      'delivery.way.mail.from: write a mail address',
    ],
    [
      'mail = { server = "smtp://a", from = "a@b", user = "gate" }',
      'delivery.way.mail: user and password_file',
    ],
    [
      'mail = { server = "smtp://a", from = "a@b", password_env = "P" }',
      'delivery.way.mail: user and password_file',
    ],
  ])('%s', async (text, expected) => {
    expect(await problems(`${DOOR}[delivery.way]\n${text}`)).toEqual([
      expect.stringContaining(expected),
    ])
  })
})

describe('a user’s file', () => {
  const users: UsersConfig = { usersFolder: '/etc/oneknock/users', services: new Map() }
  const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'
  const parse = (text: string) => parseUser(users, 'anna', `services = []\n${text}`)

  it('has ssh keys, and addresses for messages', async () => {
    const user = await parse(
      `ssh_keys = ["${KEY} anna@laptop"]\n[contact]\nmail = "anna@example.com"\nntfy = "annas-topic"`,
    )
    expect(user).toMatchObject({
      ok: true,
      value: { sshKeys: [KEY], contact: { mail: 'anna@example.com', ntfy: 'annas-topic' } },
    })
  })

  it('is read back as it was written', async () => {
    const read = await parse(`ssh_keys = ["${KEY}"]\ncontact.mail = "anna@example.com"`)
    if (!read.ok) expect.fail(JSON.stringify(read.error))
    expect(await parseUser(users, 'anna', formatUser(read.value))).toEqual(read)
  })

  it.each([
    [`ssh_keys = ["command=\\"sh\\" ${KEY}"]`, 'ssh_keys[0]'],
    [`ssh_keys = ["${KEY}\\n${KEY}"]`, 'ssh_keys[0]'],
    [`ssh_keys = "${KEY}"`, 'ssh_keys'],
    ['contact.mail = "a@b\\r\\nBcc: c@d"', 'contact.mail'],
    ['contact.mail = "a@b,c@d"', 'contact.mail'],
    ['contact.ntfy = "../other"', 'contact.ntfy'],
    ['contact.phone = "1"', 'contact.phone'],
  ])('does not have %s', async (text, key) => {
    expect(await parse(text)).toMatchObject({ ok: false, error: [{ key }] })
  })
})

describe('a forward', () => {
  const NFT = '[firewall]\nbackend = "nftables"\n[services.s]\n'

  it('leads the ports to a host behind this one, for one family or both', async () => {
    const one = await config(`${NFT}ports = ["tcp/2222"]\nforward = "10.0.0.5:22"`)
    expect(one.services.get('s')!.forward).toEqual({
      to: [{ address: '10.0.0.5', port: 22 }],
      masquerade: false,
    })
    const two = await config(
      `${NFT}ports = ["tcp/2222"]\nforward = ["10.0.0.5:22", "[fd00::5]:22"]\nmasquerade = true`,
    )
    expect(two.services.get('s')!.forward).toEqual({
      to: [
        { address: '10.0.0.5', port: 22 },
        { address: 'fd00::5', port: 22 },
      ],
      masquerade: true,
    })
  })

  const PORT = 'ports = ["tcp/2222"]\n'
  const TO = 'forward = "10.0.0.5:22"\n'
  it.each([
    [`${NFT}${PORT}forward = "nas:22"`, 'services.s.forward: write the address and port of a host'],
    [
      `${NFT}${PORT}forward = ["127.0.0.1:22"]`,
      'services.s.forward[0]: write the address and port',
    ],
    [`${NFT}${PORT}forward = []`, 'services.s.forward: write at least one'],
    [`${NFT}${PORT}masquerade = true`, 'services.s.masquerade: belongs to a forward'],
    [`${NFT}${TO}`, 'services.s.forward: says where ports lead, but there are none'],
    [
      `${NFT}ports = ["tcp/1", "udp/1"]\n${TO}`,
      'services.s.forward: has 1 for IPv4; write one for each of the 2 ports, in order, or none',
    ],
    [
      `${NFT}${PORT}${TO}exec = { open = ["/bin/true"] }`,
      'services.s.exec: cannot be together with forward',
    ],
    [
      `${NFT}${PORT}${TO}destination = ["10.0.0.9"]`,
      'services.s.destination: cannot be together with forward',
    ],
    [`[services.s]\n${PORT}${TO}`, 'services.s.forward: only nftables leads ports on'],
  ])('refuses %j', async (text, problem) => {
    expect(await problems(text)).toEqual(expect.arrayContaining([expect.stringContaining(problem)]))
  })
})

describe('a guard whose daemon is dead', () => {
  const guard = (own: string) => `[firewall]\n${own}\n[services.s]\nexec = { open = ["/bin/true"] }`
  const nftables = 'backend = "nftables"\n'

  it('stays closed, or opens after a time', async () => {
    expect((await config(guard(nftables))).firewall.ifDead).toBeUndefined()
    const closed = await config(guard(`${nftables}if_dead = "closed"`))
    expect(closed.firewall.ifDead).toBeUndefined()
    const open = await config(guard(`${nftables}if_dead = "open after 6h"`))
    expect(open.firewall.ifDead).toBe(6 * 3_600_000)
  })

  it.each([
    [`${nftables}if_dead = "open"`, 'firewall.if_dead: write "closed", or "open after 6h"'],
    [`${nftables}if_dead = "open after 5s"`, 'firewall.if_dead: write "closed"'],
    ['if_dead = "open after 6h"', 'firewall: if_dead = "open after …" needs backend = "nftables"'],
  ])('refuses %j', async (own, problem) => {
    expect(await problems(guard(own))).toEqual([expect.stringContaining(problem)])
  })
})
