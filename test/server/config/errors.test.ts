import { describe, expect, it } from 'vitest'
import { complaints, HEAD, inService } from './reading.ts'

describe('an error names the line, the key, what was found and what would be right', () => {
  const DURATION = 'write a duration from "1s" to "24d", such as "30s", "5m" or "2h"'
  const PORT = 'write a protocol and a port, such as "tcp/22" or "udp/53"'
  it.each([
    ['lifetime = "soon"', `lifetime: found "soon"; ${DURATION}`],
    ['lifetime = 30', `lifetime: found 30; ${DURATION}`],
    ['lifetime = "25d"', `lifetime: found "25d"; ${DURATION}`],
    ['lifetme = "30s"', 'lifetme: no such key; did you mean lifetime?'],
    [
      'notify = "phone"',
      'notify: no such key; those known here are ports, lifetime, max_lifetime, max_prefix, factor, require_address, behind_proxy, on_expiry, schedule, networks, test_only, approval, approval_timeout, approver, destination, forward, masquerade, gate, exec, routeros, permit, account, authorized_keys',
    ],
    [
      'lifetime = "1h"\nmax_lifetime = "5m"',
      'max_lifetime: less than lifetime, which everybody gets who asks for nothing; make it at least that',
    ],
    [
      'max_prefix.toString = 1',
      'max_prefix.toString: no such key; those known here are ipv4, ipv6',
    ],
    ['max_prefix = { ipv4 = 8 }', 'max_prefix.ipv4: found 8; write a prefix length from 16 to 32'],
    [
      'max_prefix = { ipv6 = 64.5 }',
      'max_prefix.ipv6: found 64.5; write a prefix length from 32 to 128',
    ],
    ['max_prefix = { ipv5 = 1 }', 'max_prefix.ipv5: no such key; did you mean ipv4?'],
    ['factor = "maybe"', 'factor: found "maybe"; write "required" or "none"'],
    ['on_expiry = "drop"', 'on_expiry: found "drop"; write "keep" or "cut"'],
    ['behind_proxy = "yes"', 'behind_proxy: found "yes"; write true or false'],
    [
      'destination = ["10.0.0.0/33"]',
      'destination[0]: found "10.0.0.0/33"; write an address or network, such as "192.0.2.7" or "10.0.0.0/8"',
    ],
    ['gate = "0.0.0.0:8443"', 'gate: found "0.0.0.0:8443"; write a table'],
    [
      'gate = { listen = "localhost:8443", forward = "127.0.0.1:443" }',
      'gate.listen: found "localhost:8443"; write an address and a port, such as "[::]:62201" or "0.0.0.0:8443"',
    ],
    [
      'gate = { listen = "0.0.0.0:8443" }',
      'gate.forward: nothing there; write a host and a port, such as "127.0.0.1:443" or "db.example.com:5432"',
    ],
    [
      'gate = { listen = "0.0.0.0:8443", forward = "127.0.0.1:8443" }',
      'gate.forward: is where this gate itself listens; write where the service listens',
    ],
    [
      'gate = { listen = "0.0.0.0:8443", forward = "127.0.0.1:443", proxy_protocol = 1 }',
      'gate.proxy_protocol: found 1; write 2, the only version there is, or leave it out',
    ],
    [
      'exec = { open = ["systemctl", "start", "x"] }',
      'exec.open[0]: found "systemctl"; write the program with its full path, such as ["/usr/bin/systemctl", "start", "backup"]',
    ],
    [
      'exec = { open = ["/bin/{service}"] }',
      'exec.open: found a list; write the program itself; only its arguments are filled in',
    ],
    [
      'exec = { open = ["/bin/echo", "{adress}"] }',
      'exec.open: found a list; only {event}, {service}, {address}, {prefix}, {network}, {family}, {until}, {lifetime}, {user} are filled in; write another brace with a space behind it, or put it into a script',
    ],
    [
      'exec = { open = ["/bin/echo", "{user}"] }',
      'exec: found a table; names {user}, but opens for an address, whoever has it: write per_user = true too',
    ],
    [
      'exec = { open = ["/bin/true"], at_once = 17 }',
      'exec.at_once: found 17; write how many may run at once, from 1 to 16',
    ],
    ['exec = { open = [] }', 'exec.open: found a list; write the command that opens'],
    [
      'exec = { open = ["/bin/true"], time_limit = "1h" }',
      'exec.time_limit: found "1h"; write a duration from "1s" to "5m", such as "30s", "5m" or "2h"',
    ],
  ])('%s', async (line, expected) => {
    const last = 4 + line.split('\n').length
    expect(await complaints(inService(line))).toEqual([`:${last}: services.ssh.${expected}`])
  })

  it.each([
    [
      'ports = ["tcp/22", "tcp/99999", 7]',
      [`[1]: found "tcp/99999"; ${PORT}`, `[2]: found 7; ${PORT}`],
    ],
    ['ports = "tcp/22"', [': found "tcp/22"; write a list of ports, such as ["tcp/22"]']],
    [
      'ports = ["tcp/22", "tcp/22"]',
      ['[1]: tcp/22 belongs to services.ssh already; leave it out here'],
    ],
    [
      'ports = ["udp/62201"]',
      ['[0]: udp/62201 belongs to the knocks themselves already; leave it out here'],
    ],
  ])('%s', async (line, expected) => {
    const text = `${HEAD}[services.ssh]\n${line}\n`
    expect(await complaints(text)).toEqual(expected.map(rest => `:4: services.ssh.ports${rest}`))
  })

  it.each([
    ['listen = []', ':1: listen: found a list; write at least one address, such as ["[::]:62201"]'],
    [
      'listen = ["eth0"]',
      ':1: listen[0]: found "eth0"; write an address and a port, such as "[::]:62201" or "0.0.0.0:8443"',
    ],
    [
      'listen = ["[::]:62201", "10.0.0.1:62201"]',
      ':1: listen[1]: 10.0.0.1:62201 and [::]:62201 are the same socket; leave one of them out',
    ],
    ['state = ""', ':1: state: found ""; write the path of a folder'],
    ['name = "My server"', ':1: name: found "My server"; a name is 1 to 32 of a-z, 0-9 and -'],
    [
      'freshness = "1s"',
      ':1: freshness: found "1s"; write a duration from "5s" to "10m", such as "30s", "5m" or "2h"',
    ],
    [
      'firewall.allow = ["::/0"]',
      ':1: firewall.allow[0]: ::/0 is everybody, so nothing would be closed',
    ],
    ['firewal.allow = []', ':1: firewal: no such key; did you mean firewall?'],
  ])('%s', async (line, expected) => {
    expect(await complaints(`${line}\n${inService('')}`)).toEqual([expected])
  })

  it('what clients dial must be said', async () => {
    const remedy =
      'write the host and port that clients send their packets to, such as "gate.example.com:62201"'
    const rest = 'firewall.backend = "nftables"\nservices.ssh.ports = ["tcp/22"]'
    expect(await complaints(rest)).toEqual([`: public: nothing there; ${remedy}`])
    expect(await complaints(`public = "http://x"\n${rest}`)).toEqual([
      `:1: public: found "http://x"; ${remedy}`,
    ])
  })

  it.each([['iptables', 'found "iptables"; write one of nftables, ipset, gate, exec, none']])(
    'a firewall of %s',
    async (backend, expected) => {
      const text = `public = "x"\nfirewall.backend = "${backend}"\nservices.ssh.ports = ["tcp/22"]`
      expect(await complaints(text)).toEqual([`:2: firewall.backend: ${expected}`])
    },
  )

  it.each(['gate', 'exec', 'none'])('%s lets nobody in without a knock', async backend => {
    const text = `public = "x"\nfirewall.backend = "${backend}"\nfirewall.allow = ["10.0.0.0/8"]\nservices.x.gate = { listen = "0.0.0.0:8443", forward = "127.0.0.1:443" }`
    expect(await complaints(text)).toEqual([
      `:3: firewall.allow: spares these a knock at guarded ports, and firewall.backend = "${backend}" guards none: leave it out`,
    ])
  })

  it('iptables compares with ten ports', async () => {
    const on = (count: number, backend: string) => {
      const listen = Array.from({ length: count }, (_, i) => `"[::]:${60_000 + i}"`)
      return complaints(
        `listen = [${listen}]\npublic = "x"\nfirewall.backend = "${backend}"\nservices.ssh.ports = ["tcp/22"]`,
      )
    }
    const remedy = 'listen on fewer, or write backend = "nftables"'
    expect(await on(10, 'ipset')).toEqual([])
    expect(await on(11, 'nftables')).toEqual([])
    expect(await on(11, 'ipset')).toEqual([
      `:1: listen: 11 ports; with firewall.backend = "ipset" there can be 10: ${remedy}`,
    ])
  })

  it('there must be a service', async () => {
    const none = 'there are none, so no door; write one, such as [services.ssh]'
    expect(await complaints(HEAD)).toEqual([`: services: ${none}`])
    expect(await complaints(`${HEAD}[services]`)).toEqual([`:3: services: ${none}`])
    expect(await complaints(`${HEAD}services = 7`)).toEqual([`:3: services: ${none}`])
  })

  it('a service has a name', async () => {
    expect(await complaints(`${HEAD}[services.SSH]\nports = ["tcp/22"]`)).toEqual([
      ':3: services.SSH: a name is 1 to 32 of a-z, 0-9 and -',
    ])
    expect(await complaints(`${HEAD}[services."a b"]\nports = ["tcp/22"]`)).toEqual([
      ':3: services."a b": a name is 1 to 32 of a-z, 0-9 and -',
    ])
    expect(await complaints(`${HEAD}[services.__proto__]\nports = ["tcp/22"]`)).toHaveLength(1)
  })

  it('all of them come at once, in the order of the file', async () => {
    const text = `listen = ["eth0"]
pubic = "x"
[firewall]
backend = "iptables"
[services.ssh]
lifetime = "soon"
[services.web]
gate = { listen = "0.0.0.0:1", forward = "10.0.0.1:1" }
[services.web2]
gate = { listen = "0.0.0.0:1", forward = "10.0.0.1:1" }`
    const lines = (await complaints(text)).map(line => line.split(/: /, 2).join(': '))
    expect(lines).toEqual([
      ': public',
      ':1: listen[0]',
      ':2: pubic',
      ':4: firewall.backend',
      ':6: services.ssh.lifetime',
      ':10: services.web2.gate.listen',
    ])
  })
})

describe('every service has something that opens it, and every port something that closes it', () => {
  const GATE = 'gate = { listen = "0.0.0.0:8443", forward = "127.0.0.1:443" }'
  const EXEC = 'exec = { open = ["/bin/true"] }'
  const UNGUARDED = (backend: string) =>
    `:4: services.x.ports: nothing guards these with firewall.backend = "${backend}"; write backend = "nftables" there, or gate = { listen = …, forward = … } here instead of ports`
  const NOTHING = (remedy: string) =>
    `:3: services.x: this service has nothing to open; write ${remedy}`
  it.each([
    ['nftables', 'ports = ["tcp/22"]', []],
    ['nftables', GATE, []],
    ['nftables', EXEC, []],
    ['nftables', '', [NOTHING('ports = ["tcp/22"]')]],
    ['gate', GATE, []],
    ['gate', EXEC, []],
    ['gate', 'ports = ["tcp/22"]', [UNGUARDED('gate')]],
    ['gate', `ports = ["tcp/22"]\n${GATE}`, [UNGUARDED('gate')]],
    ['gate', '', [NOTHING(GATE)]],
    ['exec', EXEC, []],
    ['exec', `ports = ["tcp/22"]\n${EXEC}`, []],
    ['exec', 'ports = ["tcp/22"]', [UNGUARDED('exec')]],
    ['exec', '', [NOTHING('exec = { open = ["/path/to/program"] }')]],
    ['none', GATE, []],
    ['none', 'ports = ["tcp/22"]', [UNGUARDED('none')]],
    ['none', '', [NOTHING(GATE)]],
  ])('%s, %s', async (backend, lines, expected) => {
    const text = `public = "x"\nfirewall.backend = "${backend}"\n[services.x]\n${lines}`
    expect(await complaints(text)).toEqual(expected)
  })

  it('a destination needs ports', async () => {
    expect(await complaints(`${HEAD}[services.x]\n${GATE}\ndestination = ["10.0.0.1"]`)).toEqual([
      ':5: services.x.destination: says whose ports are guarded, but there are none; write ports = ["tcp/22"] as well',
    ])
  })

  it.each([
    ['0.0.0.0:1', '10.0.0.1:1', false],
    ['[::]:1', 'db.example.com:1', false],
    ['0.0.0.0:1', 'localhost:2', false],
    ['0.0.0.0:1', '127.0.0.1:1', true],
    ['[::]:1', 'localhost:1', true],
    ['10.0.0.1:1', '10.0.0.1:1', true],
  ])('a gate at %s in front of %s: itself? %s', async (listen, forward, loop) => {
    const text = `${HEAD}[services.x]\ngate = { listen = "${listen}", forward = "${forward}" }`
    expect(await complaints(text)).toEqual(
      loop
        ? [
            ':4: services.x.gate.forward: is where this gate itself listens; write where the service listens',
          ]
        : [],
    )
  })

  it('two services cannot have one port, nor one gate', async () => {
    const text = `${HEAD}[services.a]\nports = ["tcp/22"]\n${GATE}\n[services.b]\nports = ["tcp/22"]\n${GATE.replace('0.0.0.0', '[::]')}`
    expect(await complaints(text)).toEqual([
      ':7: services.b.ports[0]: tcp/22 belongs to services.a already; leave it out here',
      ':8: services.b.gate.listen: services.a listens at 0.0.0.0:8443 already; take another port',
    ])
  })
})
