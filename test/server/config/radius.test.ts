import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { radiusPlanOf } from '../../../server/src/compose/radius.ts'
import { parseNetwork } from '../../../shared/src/index.ts'
import * as reading from './reading.ts'

const HEAD = `public = "gate.example.com"
[services.vpn]
exec.open = ["/bin/true"]
`
const DOOR = '[radius]\nlisten = ["127.0.0.1:1812"]\n'
const CLIENT = 'address = "192.0.2.1"\nsecret_file = "/etc/oneknock/radius-vpn"\n'
const UPSTREAM = 'upstream = ["192.0.2.9"]\nupstream_secret_env = "UPSTREAM"\n'

const client = (own: string, name = 'vpn') => `[radius.clients.${name}]\n${own}\n`
const problems = (text: string) => reading.problems(HEAD + text)
const radius = async (text: string) => (await reading.good(HEAD + text)).radius

describe('[radius]', () => {
  it('is not there unless it is written', async () => {
    expect(await radius('')).toBeUndefined()
  })

  it('says who may ask, and what an Accept takes', async () => {
    expect(await radius(`${DOOR}${client(`${CLIENT}mode = "code"`)}`)).toEqual({
      listen: [{ host: '127.0.0.1', port: 1812 }],
      clients: [
        {
          name: 'vpn',
          networks: [parseNetwork('192.0.2.1')],
          secret: { kind: 'file', path: '/etc/oneknock/radius-vpn' },
          mode: 'code',
          upstream: undefined,
          services: undefined,
          approval: undefined,
          addressFrom: 'calling-station-id',
          messageAuthenticator: 'required',
        },
      ],
    })
  })

  it('knows the servers behind it, by the usual port', async () => {
    const own = `addresses = ["10.0.0.0/8", "2001:db8::/32"]\nsecret_env = "NAS"\nmode = "password+code"
services = ["vpn"]\naddress_from = "framed-ip-address"\nmessage_authenticator = "optional"\n${UPSTREAM}`
    expect((await radius(DOOR + client(own)))!.clients[0]).toMatchObject({
      networks: [parseNetwork('10.0.0.0/8'), parseNetwork('2001:db8::/32')],
      upstream: {
        servers: [{ host: '192.0.2.9', port: 1812 }],
        secret: { kind: 'environment', variable: 'UPSTREAM' },
      },
      services: ['vpn'],
      addressFrom: 'framed-ip-address',
      messageAuthenticator: 'optional',
    })
  })

  it.each([
    [DOOR, 'radius.clients: nothing there'],
    [`${DOOR}[radius.clients]\n`, 'radius: nobody may ask'],
    [`[radius]\nlisten = []\n${client(`${CLIENT}mode = "code"`)}`, 'radius.listen: write at least'],
    [`${DOOR}${client(`${CLIENT}mode = "code"`, '"VPN 1"')}`, 'radius.clients."VPN 1": a name is'],
    [DOOR + client(CLIENT), 'radius.clients.vpn.mode: nothing there; write one of "code"'],
    [DOOR + client(`${CLIENT}mode = "pap"`), 'radius.clients.vpn.mode: write one of "code"'],
    [DOOR + client('secret_env = "S"\nmode = "code"'), 'radius.clients.vpn: write where it asks'],
    [
      DOOR + client(`${CLIENT}addresses = ["10.0.0.0/8"]\nmode = "code"`),
      'radius.clients.vpn: write where it asks from',
    ],
    [
      DOOR + client('address = "192.0.2.1"\nmode = "code"'),
      'radius.clients.vpn: write secret_file',
    ],
    [
      DOOR + client(`${CLIENT}secret_env = "S"\nmode = "code"`),
      'radius.clients.vpn: write secret_file or secret_env, not both',
    ],
    [
      DOOR + client(`${CLIENT}secret = "here"\nmode = "code"`),
      'radius.clients.vpn.secret: no such key',
    ],
    [DOOR + client(`${CLIENT}mode = "password+code"`), 'radius.clients.vpn: mode "password+code"'],
    [DOOR + client(`${CLIENT}${UPSTREAM}mode = "code"`), 'radius.clients.vpn: in mode "code" no'],
    [
      DOOR + client(`${CLIENT}upstream = ["192.0.2.9"]\nmode = "grant"`),
      'radius.clients.vpn: upstream and upstream_secret_file',
    ],
    [
      DOOR +
        client(`${CLIENT}upstream = ["radius.example"]\nupstream_secret_env = "U"\nmode = "grant"`),
      'radius.clients.vpn.upstream[0]: write an address and a port',
    ],
    [
      DOOR + client(`${CLIENT}${UPSTREAM}mode = "password"`),
      'radius.clients.vpn: mode "password" needs',
    ],
    [
      DOOR + client(`${CLIENT}mode = "code"\napproval = "phone"`),
      'radius.clients.vpn.approval: there is no such way: write [delivery.phone]',
    ],
    [
      DOOR + client(`${CLIENT}mode = "code"\napprover = "bob"`),
      'radius.clients.vpn.approver: belongs to an approval',
    ],
    [
      DOOR + client(`${CLIENT}mode = "grant"\napproval = "phone"`),
      'in mode "grant" nobody is asked',
    ],
    [
      DOOR + client(`${CLIENT}mode = "code"\nservices = ["wiki"]`),
      'radius.clients.vpn.services[0]: there is no such service',
    ],
    [
      `${DOOR}${client(`${CLIENT}mode = "code"`)}${client(`${CLIENT}mode = "code"`, 'pam')}`,
      'radius.clients.pam: 192.0.2.1 is that of radius.clients.vpn already',
    ],
    [
      `[radius]\nlisten = ["0.0.0.0:62201"]\n${client(`${CLIENT}mode = "code"`)}`,
      'radius.listen[0]: 0.0.0.0:62201 belongs to the knocks already',
    ],
    [
      `[radius]\nlisten = ["[::]:1812", "127.0.0.1:1812"]\n${client(`${CLIENT}mode = "code"`)}`,
      'radius.listen[1]: 127.0.0.1:1812 belongs to this door already',
    ],
    [
      `[services.dns]\nports = ["udp/1812"]\nexec.open = ["/bin/true"]\n${DOOR}${client(`${CLIENT}mode = "code"`)}`,
      'radius.listen[0]: 127.0.0.1:1812 belongs to services.dns already',
    ],
  ])('refuses %j', async (text, problem) => {
    expect((await problems(text)).join('\n')).toContain(problem)
  })
})

describe('the secrets of [radius]', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'oneknock-radius-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  async function plan(secret: string, mode = 0o600) {
    const path = join(folder, `secret-${mode}`)
    writeFileSync(path, secret, { mode })
    const settings = await radius(
      DOOR + client(`address = "192.0.2.1"\nsecret_file = "${path}"\nmode = "code"`),
    )
    return radiusPlanOf({ radius: settings }).catch((error: Error) => error.message)
  }

  it('are read from files that nobody else can read', async () => {
    const planned = await plan('sixteen letters!\n')
    expect(planned).toMatchObject({
      clients: [{ secretBytes: new TextEncoder().encode('sixteen letters!') }],
    })
    expect(await plan('sixteen letters!\n', 0o640)).toContain('others can read it; run: chmod 600')
  })

  it('are long enough', async () => {
    expect(await plan('testing123')).toBe(
      `radius.clients.vpn: the secret in ${join(folder, 'secret-384')} has less than 16 characters; make one with: openssl rand -hex 24`,
    )
  })
})
