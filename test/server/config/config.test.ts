import { hostname } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { stringify } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { defaultName, loadConfig, parseConfig } from '../../../server/src/config.ts'
import { complaints, FILE, good, HEAD, inService } from './reading.ts'
import { scratch, write } from './scratch.ts'

describe('a configuration', () => {
  it('of two lines has a default for the rest', async () => {
    const config = await good(
      'public = "gate.example.com"\n[services.wiki]\ngate = { listen = "0.0.0.0:8443", forward = "localhost:443" }',
    )
    expect(config).toEqual({
      file: FILE,
      listen: [{ host: '::', port: 62201 }],
      public: { host: 'gate.example.com', port: 62201 },
      state: '/var/lib/oneknock',
      usersFolder: '/etc/oneknock/users',
      name: 'gate',
      freshness: 120_000,
      firewall: { backend: 'none', allow: [] },
      adminGroup: undefined,
      metricsAt: undefined,
      helperSocket: '/run/oneknock/helper.sock',
      delivery: new Map(),
      services: new Map([
        [
          'wiki',
          {
            name: 'wiki',
            ports: [],
            lifetime: 30,
            maxLifetime: 30,
            maxPrefix: { ipv4: 128, ipv6: 128 },
            factor: 'required',
            requireAddress: false,
            behindProxy: false,
            onExpiry: 'keep',
            destination: [],
            gate: {
              listen: { host: '0.0.0.0', port: 8443 },
              forward: { host: 'localhost', port: 443 },
              proxyProtocol: false,
            },
            exec: undefined,
          },
        ],
      ]),
    })
  })

  it('says everything that it can say', async () => {
    const config = await good(`
listen = ["192.0.2.1:62201", "[2001:db8::1]:62201"]
public = "203.0.113.1:5000"
state = "state"
name = "home"
freshness = "30s"

[firewall]
backend = "nftables"
allow = ["10.1.2.3/8", "2001:db8::/32"]

[services.inventory]
ports = ["tcp/8011", "udp/8011"]
lifetime = "10h"
max_lifetime = "1d"
max_prefix = { ipv4 = 24, ipv6 = 64 }
factor = "none"
require_address = true
behind_proxy = true
on_expiry = "cut"
destination = ["192.0.2.0/24"]

[services.wiki]
gate = { listen = "[::]:8443", forward = "127.0.0.1:443", proxy_protocol = 2 }

[services.backup.exec]
open = ["/usr/bin/systemctl", "start", "backup"]
close = ["/usr/bin/systemctl", "stop", "backup"]
time_limit = "1m"

[services.vpn.exec]
open = ["/usr/bin/wg", "set", "wg0", "peer", "{user}"]
at_once = 1
per_user = true
`)
    expect(config.listen.map(({ host }) => host)).toEqual(['192.0.2.1', '2001:db8::1'])
    expect(config).toMatchObject({
      public: { host: '203.0.113.1', port: 5000 },
      state: '/etc/oneknock/state',
      name: 'home',
      freshness: 30_000,
      firewall: {
        backend: 'nftables',
        allow: [
          { address: '10.0.0.0', prefix: 104 },
          { address: '2001:db8::', prefix: 32 },
        ],
      },
    })
    expect(config.services.get('inventory')).toMatchObject({
      ports: [
        { protocol: 'tcp', port: 8011 },
        { protocol: 'udp', port: 8011 },
      ],
      lifetime: 36_000,
      maxLifetime: 86_400,
      maxPrefix: { ipv4: 120, ipv6: 64 },
      factor: 'none',
      requireAddress: true,
      behindProxy: true,
      onExpiry: 'cut',
      destination: [{ address: '192.0.2.0', prefix: 120 }],
      gate: undefined,
    })
    expect(config.services.get('wiki')?.gate?.proxyProtocol).toBe(true)
    expect(config.services.get('backup')?.exec).toEqual({
      open: ['/usr/bin/systemctl', 'start', 'backup'],
      close: ['/usr/bin/systemctl', 'stop', 'backup'],
      timeLimit: 60_000,
    })
    expect(config.services.get('vpn')?.exec).toMatchObject({ atOnce: 1, perUser: true })
  })

  it('may have a service of any name, whatever JavaScript thinks of it', async () => {
    const config = await good(
      `${HEAD}[services.constructor]\nports = ["tcp/22"]\n[services.prototype]\nports = ["tcp/23"]`,
    )
    expect([...config.services.keys()]).toEqual(['constructor', 'prototype'])
  })

  it('names the server by what clients dial, else by its host', () => {
    expect(defaultName('Gate.example.com', 'box')).toBe('gate')
    expect(defaultName('192.0.2.1', 'box.lan')).toBe('box')
    expect(defaultName('2001:db8::1', 'box')).toBe('box')
    expect(defaultName('192.0.2.1', 'my_box')).toBe('oneknock')
    expect(defaultName('127.0.0.1', hostname())).toMatch(/^[a-z0-9-]{1,32}$/)
  })
})

describe('a file', () => {
  it('that is empty, or only comments, says how to begin', async () => {
    const remedy = 'holds no settings; remove it, then run: oneknockd init'
    expect(await complaints('')).toEqual([`: ${remedy}`])
    expect(await complaints('# one day\n\n')).toEqual([`: ${remedy}`])
  })

  it('that is not there says how to begin', async () => {
    const file = join(scratch(), 'oneknockd.toml')
    const config = await loadConfig(file)
    expect(config).toEqual({
      ok: false,
      error: [
        { code: 'absent', file, message: `does not exist; run: oneknockd init --config ${file}` },
      ],
    })
  })

  it('that is no TOML says where, and shows nothing of it', async () => {
    expect(await complaints('public = "x"\nname = "se\ncret"')).toEqual([
      expect.stringMatching(/^:2: this is not TOML: [^"]+$/),
    ])
    expect(await complaints('token = "secret\nx')).toEqual([
      expect.stringMatching(/^:1: this is not TOML: (?!.*secret)/),
    ])
  })

  it('that others can write is refused', async () => {
    const file = write(join(scratch(), 'oneknockd.toml'), inService(''), 0o664)
    expect(await loadConfig(file)).toMatchObject({ ok: false, error: [{ code: 'mode' }] })
    write(file, inService(''), 0o644)
    expect(await loadConfig(file)).toMatchObject({ ok: true })
  })

  it('never makes the parser throw, whatever stands in it', async () => {
    const words = fc.constantFrom(
      ...'[ ] { } = , . " \' # \n [[ ]] services ssh ports "tcp/22" gate 1 true public'.split(' '),
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(words).map(all => all.join(' ')),
    )
    await fc.assert(
      fc.asyncProperty(text, async any => {
        expect((await parseConfig(FILE, any)).ok).toBe(false)
      }),
    )
  })

  it('never makes the parser throw, whatever its values are', async () => {
    const value = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.double({ noNaN: true }),
      fc.boolean(),
      fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('2999-01-01') }),
      fc.array(fc.string()),
      fc.dictionary(fc.string(), fc.string()),
    )
    const keys = (...names: string[]) =>
      fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), value, {
        noNullPrototype: true,
      })
    const service = keys('ports', 'lifetime', 'max_prefix', 'gate', 'exec', 'destination')
    const table = fc.record({
      listen: value,
      firewall: keys('backend', 'allow'),
      services: fc.oneof(
        value,
        fc.dictionary(fc.constantFrom('a', 'b', 'C'), fc.oneof(value, service)),
      ),
    })
    await fc.assert(
      fc.asyncProperty(table, async any => {
        const config = await parseConfig(FILE, stringify(any))
        expect(config.ok ? [] : config.error.map(({ code }) => code)).toContain('missing')
      }),
    )
  })
})
