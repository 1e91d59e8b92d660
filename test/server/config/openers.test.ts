import { describe, expect, it } from 'vitest'
import { config, POST, problems, service } from './openers.ts'

const PRINT = 'a1'.repeat(32)
const router = (own: string) =>
  `[services.s.routeros]\nurl = "https://192.0.2.1"\nuser = "oneknock"\n${own}\n`
const TRUSTED = `password_env = "ROUTER"\nfingerprint = "${PRINT}"`

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
    [
      `[firewall]\nbackend = "ipset"\n[services.s]\n${PORT}${TO}`,
      'services.s.forward: only nftables leads ports on: write backend = "nftables"',
    ],
  ])('refuses %j', async (text, problem) => {
    expect(await problems(text)).toEqual(expect.arrayContaining([expect.stringContaining(problem)]))
  })
})
