import { chmodSync } from 'node:fs'
import { ok, parseNetwork, type Reply } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { examine } from '../../client/src/doctor/examine.ts'
import type { Finding } from '../../client/src/doctor/finding.ts'
import type { Instruments } from '../../client/src/doctor/instruments.ts'
import type { KnockResult } from '../../client/src/outcome.ts'
import type { Unlocked } from '../../client/src/unlocking.ts'
import { address, KEY } from './fake-world.ts'
import { echo, House } from './house.ts'
import { Home, invitation } from './run.ts'

const PROFILE: Unlocked = {
  host: 'gate.example.com',
  port: 62201,
  user: 'ana',
  device: 'laptop',
  key: KEY,
  services: ['ssh'],
}
const [V4, V6] = [address('198.51.100.1'), address('2001:db8:1::1')]
const [OWN_V4, OWN_V6] = [address('192.168.1.7'), address('2001:db8:2::7')]
const NAT = address('203.0.113.7')

/** What the server says to somebody who closes what is not open. */
const seenAs = (seen: string, clockOffsetMs = 20): KnockResult => ({
  status: 'closed',
  address: address(seen),
  detail: '',
  clockOffsetMs,
})
const SILENCE: KnockResult = { status: 'no-reply', servers: [], portClosed: false }

/** A world in which all is well, and what is changed of it. */
const world = (changes: Partial<Instruments> = {}): Instruments => ({
  resolve: async () => ok([V6, V4]),
  ownTowards: async server => ok(server === V4 ? OWN_V4 : OWN_V6),
  call: async server => ({ result: seenAs(server === V4 ? NAT : OWN_V6), roundTripMs: 11.5 }),
  callOverHttp: async () => ({ result: seenAs(NAT), roundTripMs: 20.5 }),
  answers: async () => true,
  ...changes,
})

async function examined(instruments: Instruments, profile = PROFILE): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const finding of examine({ name: 'home', profile }, instruments)) {
    findings.push(finding)
  }
  return findings
}

/** What is not well, and what to do. */
const ills = (findings: readonly Finding[]) => findings.filter(({ status }) => status !== 'ok')

describe('the doctor finds', () => {
  it('nothing where all is well, and says what it saw', async () => {
    const findings = await examined(world())
    expect(findings.map(({ check, status, what }) => `${status} ${check}: ${what}`)).toEqual([
      'ok name: gate.example.com is 2001:db8:1::1 and 198.51.100.1',
      'ok route: IPv6 to 2001:db8:1::1 leaves from 2001:db8:2::7',
      'ok route: IPv4 to 198.51.100.1 leaves from 192.168.1.7',
      'ok reply: 2001:db8:1::1 answers over UDP after 12 ms',
      'ok reply: 198.51.100.1 answers over UDP after 12 ms',
      "ok clock: this machine's clock is within 1 s of the server's",
      'ok device: the server knows this device',
      "ok address: the server sees 2001:db8:2::7, this machine's own",
      "ok address: the server sees 203.0.113.7, a NAT's: a door opens for everybody behind it (here it is 192.168.1.7)",
    ])
  })

  const cases: readonly [string, Partial<Instruments>, Finding['check'], string, string, string][] =
    [
      [
        'a name that does not resolve',
        { resolve: async () => ({ ok: false, error: 'ENOTFOUND' }) },
        'name',
        'fail',
        'cannot find gate.example.com (ENOTFOUND)',
        'resolver',
      ],
      [
        'a family without a way',
        {
          ownTowards: async server =>
            server === V4 ? ok(OWN_V4) : { ok: false, error: 'ENETUNREACH' },
        },
        'route',
        'warn',
        'no way to 2001:db8:1::1 from here (ENETUNREACH)',
        'IPv6 is missing',
      ],
      [
        'a family that is dropped on the way',
        {
          call: async server => ({
            result: server === V4 ? seenAs(NAT) : SILENCE,
            roundTripMs: 1,
          }),
        },
        'reply',
        'warn',
        'no reply from 2001:db8:1::1',
        'the other family answers, so clock and key are right',
      ],
      [
        'a clock that is off',
        { call: async () => ({ result: seenAs(OWN_V6, -95_000), roundTripMs: 1 }) },
        'clock',
        'warn',
        "this machine's clock is 95 s ahead of the server's",
        'timedatectl',
      ],
      [
        'a device that is locked',
        {
          call: async () => ({
            result: {
              status: 'refused',
              reason: 'locked',
              source: OWN_V6,
              detail: 'invitation too old',
              clockOffsetMs: 0,
            },
            roundTripMs: 1,
          }),
        },
        'device',
        'fail',
        'locked (invitation too old)',
        'new invitation',
      ],
    ]
  it.each(cases)('%s', async (_what, changes, check, status, what, next) => {
    const found = ills(await examined(world(changes))).filter(ill => ill.check === check)
    expect(found).toHaveLength(1)
    expect(found[0]).toMatchObject({ status })
    expect(found[0]!.what).toContain(what)
    expect(found[0]!.next).toContain(next)
  })

  it('silence: the clock comes first, and nothing is said of what only a reply tells', async () => {
    const findings = await examined(
      world({ call: async () => ({ result: SILENCE, roundTripMs: 0 }) }),
    )
    expect(ills(findings).map(({ check, status }) => `${status} ${check}`)).toEqual([
      'fail reply',
      'fail reply',
    ])
    expect(findings.at(-1)!.next).toMatch(/^check this machine's clock first/)
    expect(findings.at(-1)!.exit).toBe(3)
  })

  it('no way in any family', async () => {
    const instruments = world({ ownTowards: async () => ({ ok: false, error: 'ENETUNREACH' }) })
    const findings = ills(await examined(instruments))
    expect(findings.at(-1)).toMatchObject({ status: 'fail', check: 'route', exit: 3 })
  })

  it('UDP that is dropped, where the HTTP door answers: all else is looked at through it', async () => {
    const instruments = world({ call: async () => ({ result: SILENCE, roundTripMs: 1 }) })
    const findings = await examined(instruments, { ...PROFILE, http: 'https://gate.example.com' })
    const [ill] = ills(findings)
    expect(ill).toMatchObject({ check: 'reply', status: 'warn' })
    expect(ill!.next).toContain('three seconds longer')
    const seen = findings.map(({ check, status }) => `${status} ${check}`)
    expect(seen.slice(-3)).toEqual(['ok http', 'ok clock', 'ok device'])
  })

  it('an HTTP door that does not answer', async () => {
    const result = { status: 'unreachable', servers: [V4], cause: 'CERT_HAS_EXPIRED' } as const
    const instruments = world({ callOverHttp: async () => ({ result, roundTripMs: 1 }) })
    const [ill] = ills(
      await examined(instruments, { ...PROFILE, http: 'https://gate.example.com' }),
    )
    expect(ill).toMatchObject({ check: 'http', status: 'warn' })
    expect(ill!.what).toContain('(CERT_HAS_EXPIRED)')
  })

  it('a carrier’s NAT that gives each connection another address', async () => {
    let n = 0
    const instruments = world({
      resolve: async () => ok([V4]),
      call: async () => ({ result: seenAs(`203.0.113.${++n}`), roundTripMs: 1 }),
    })
    const [ill] = ills(await examined(instruments))
    expect(ill).toMatchObject({ check: 'address', status: 'warn' })
    expect(ill!.what).toContain('203.0.113.1, then 203.0.113.2 (carrier NAT)')
  })

  it('an address in the profile that is not the one that knocks', async () => {
    const profile = { ...PROFILE, address: parseNetwork('203.0.113.64/26')! }
    const instruments = world({ resolve: async () => ok([V4]) })
    const [ill] = ills(await examined(instruments, profile))
    expect(ill!.what).toContain('sees 203.0.113.7')
    expect(ill!.what).toContain('203.0.113.64/26')
    const holds = { ...PROFILE, address: parseNetwork('203.0.113.0/24')! }
    expect(ills(await examined(instruments, holds))).toEqual([])
  })

  it('every ill with something to do about it', async () => {
    for (const [, changes] of cases) {
      for (const { next } of ills(await examined(world(changes)))) {
        expect(next?.length).toBeGreaterThan(10)
      }
    }
  })
})

describe('doctor', () => {
  let home: Home
  let house: House
  beforeEach(async () => {
    home = new Home()
    house = await House.build('hangs up', echo)
    await house.invite(home, 'home', '--otp-command', 'echo 123456')
    house.says = ({ knock: { verb } }): Partial<Reply> =>
      verb === 'close' ? { status: 'closed', lifetime: 0, detail: '' } : {}
  })
  afterEach(async () => {
    await house.demolish()
    home.remove()
  })
  const doctor = (...args: string[]) => home.run(['doctor', 'home', ...args])
  const place = () => `127.0.0.1:${house.port}`
  const checks = (stdout: string) =>
    JSON.parse(stdout).findings.map(
      ({ check, status }: { check: string; status: string }) => `${status} ${check}`,
    )

  it('asks the server without a code, opens nothing and closes nothing', async () => {
    const run = await doctor()
    expect(run).toMatchObject({ status: 0, stderr: '' })
    expect(run.stdout).toMatch(/^ok {4}reply {4}127\.0\.0\.1 answers over UDP after \d+ ms$/m)
    expect(run.stdout).toContain('oneknock doctor home --knock')
    for (const { knock } of house.server.received) {
      expect(knock).toMatchObject({
        verb: 'close',
        services: ['the-doctor-only-asks'],
        factor: { kind: 'none' },
      })
    }
  })

  it('knocks if told to, and sees the service answer that did not before', async () => {
    const run = await doctor('--knock', '--port', place(), '--json')
    expect(run).toMatchObject({ status: 0, stderr: '' })
    const said = checks(run.stdout)
    expect(said.slice(-5)).toEqual([
      'ok clock',
      'ok device',
      'ok address',
      'ok knock',
      'ok service',
    ])
  })

  it('sees a service that answered before, and one that does not after', async () => {
    await house.open()
    const before = await doctor('--knock', '--port', place())
    expect(before.stdout).toMatch(/^warn {2}service {2}.* answered before the knock as well$/m)
    const after = await doctor('--knock', '--port', '127.0.0.1:1')
    expect(after.status).toBe(3)
    expect(after.stdout).toMatch(/^fail {2}service {2}the door is open for 127\.0\.0\.1, and .*$/m)
    expect(after.stdout).toMatch(/^ {15}→ .*carrier NAT/m)
  })

  it('says why a knock opens nothing', async () => {
    house.says = ({ knock: { verb } }) =>
      verb === 'close' ? { status: 'closed' } : { status: 'refused', reason: 'schedule' }
    const run = await doctor('--knock')
    expect(run.status).toBe(4)
    expect(run.stdout).toMatch(/^fail {2}knock {4}not at this time \(ssh\)$/m)
  })

  it('finds a profile that others may read: status 2, and the command that mends it', async () => {
    chmodSync(home.file('home'), 0o644)
    const run = await doctor('--json')
    expect(run.status).toBe(2)
    expect(checks(run.stdout).at(-1)).toBe('fail profile')
    expect(run.stdout).toContain(`chmod 600 ${home.file('home')}`)
    expect(house.server.received).toEqual([])
  })

  it('warns of a secret for codes that lies beside an open key', async () => {
    const text = `${invitation({ port: house.server.port })}\nGEZDGNBVGY3TQOJQ`
    await home.run(['add', '--name', 'robot', '--totp-secret'], text)
    const { stdout } = await home.run(['doctor', 'robot'])
    expect(stdout).toMatch(/^warn {2}profile {2}.*secret for codes beside it/m)
    expect(stdout).toContain('oneknock lock robot')
  })

  it('finds silence: status 3', async () => {
    await home.run(['remove', 'home'])
    const key = KEY.map(byte => byte ^ 1)
    await home.run(['add'], invitation({ port: house.server.port, key }))
    const run = await doctor()
    expect(run.status).toBe(3)
    expect(run.stdout).toMatch(/→ check this machine's clock first \(timedatectl/)
  })
})
