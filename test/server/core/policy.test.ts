import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Directory, Service, User } from '../../../server/src/core/directory.ts'
import { type Asked, decide, needsFactor, stillAllowed } from '../../../server/src/core/policy.ts'
import {
  type Address,
  ANY,
  ANY_IPV4,
  addressBytes,
  contains,
  familyOf,
  maskNetwork,
  parseNetwork,
  readAddress,
  scopeOf,
} from '../../../shared/src/index.ts'
import { addr, NOON, service, toDirectory, user } from '../kit.ts'

const HERE = addr('203.0.113.7')
const HERE6 = addr('2001:db8::7')
const GATEWAY = addr('192.168.1.1')

const host = (changes = {}) => ({
  isOwn: (network: { address: Address; prefix: number }) => contains(network, GATEWAY),
  listensOnLoopback: false,
  ...changes,
})

const asked = (changes: Partial<Asked> = {}): Asked => ({
  services: ['ssh'],
  lifetime: 0,
  address: ANY,
  prefix: 128,
  ...changes,
})

interface Case {
  readonly services?: readonly Service[]
  readonly user?: Partial<User>
  readonly asked?: Partial<Asked>
  readonly source?: Address
  readonly host?: object
}

/** What is admitted and for how long, or why not. */
function verdict(one: Case): string {
  const who = user('alice', 1, one.user)
  const directory = toDirectory(one.services ?? [service('ssh'), service('wiki')], [who])
  const decision = decide(
    directory,
    who,
    asked(one.asked),
    one.source ?? HERE,
    host(one.host),
    NOON,
  )
  if (decision.kind === 'denial') return `${decision.reason} ${decision.detail}`.trim()
  const { network, services, lifetime } = decision
  return `${services.map(({ name }) => name)} ${network.address}/${network.prefix} ${lifetime}s`
}

const wide = [service('ssh', { maxPrefix: { ipv4: 112, ipv6: 32 } })]

describe('policy', () => {
  it.each<[string, Case, string]>([
    ['the source', {}, 'ssh 203.0.113.7/128 30s'],
    ['the source, IPv6', { source: HERE6 }, 'ssh 2001:db8::7/128 30s'],
    ['the source, said to be IPv4', { asked: { address: ANY_IPV4 } }, 'ssh 203.0.113.7/128 30s'],
    ['said to be IPv4, and is not', { asked: { address: ANY_IPV4 }, source: HERE6 }, 'address'],
    ['its own address', { asked: { address: HERE } }, 'ssh 203.0.113.7/128 30s'],
    ['its other family', { asked: { address: HERE6 } }, 'ssh 2001:db8::7/128 30s'],
    ['somebody else', { asked: { address: addr('203.0.113.8') } }, 'address'],
    [
      'somebody else, where that is allowed',
      { asked: { address: addr('203.0.113.8') }, user: { otherAddress: true } },
      'ssh 203.0.113.8/128 30s',
    ],
    ['a prefix too short', { asked: { prefix: 127 } }, 'address ssh'],
    [
      'a prefix, with its host bits',
      { services: wide, asked: { prefix: 120 } },
      'ssh 203.0.113.0/120 30s',
    ],
    [
      'a prefix that an address of its own is in',
      { services: wide, asked: { address: addr('203.0.113.99'), prefix: 120 } },
      'ssh 203.0.113.0/120 30s',
    ],
    [
      'a prefix that the source is not in',
      { services: wide, asked: { address: addr('203.0.114.7'), prefix: 120 } },
      'address',
    ],
    [
      'an IPv6 prefix for a source that turns out IPv4',
      { services: wide, asked: { prefix: 64 } },
      'address',
    ],
    [
      'an IPv6 prefix',
      { services: wide, asked: { prefix: 64 }, source: HERE6 },
      'ssh 2001:db8::/64 30s',
    ],
    ['loopback', { source: addr('127.0.0.1') }, 'address'],
    [
      'loopback, where it listens there',
      { source: addr('127.0.0.1'), host: { listensOnLoopback: true } },
      'ssh 127.0.0.1/128 30s',
    ],
    [
      'loopback, asked for from elsewhere',
      { source: HERE6, asked: { address: addr('127.0.0.1') }, host: { listensOnLoopback: true } },
      'address',
    ],
    [
      'a prefix that loopback is in',
      { services: wide, source: addr('::2:3'), asked: { prefix: 32 } },
      'address',
    ],
    [
      'a prefix that loopback is in, where it listens there',
      {
        services: wide,
        source: addr('::1'),
        asked: { prefix: 64 },
        host: { listensOnLoopback: true },
      },
      'address',
    ],
    ['multicast', { asked: { address: addr('ff02::1') } }, 'address'],
    ['link-local', { source: addr('fe80::1') }, 'address'],
    ['unspecified', { asked: { address: addr('0.1.2.3') } }, 'address'],
    ['limited broadcast', { asked: { address: addr('255.255.255.255') } }, 'address'],
    ['a gateway', { source: GATEWAY }, 'address ssh'],
    [
      'a gateway, behind a proxy',
      { source: GATEWAY, services: [service('ssh', { behindProxy: true })] },
      'ssh 192.168.1.1/128 30s',
    ],
    [
      'a prefix with a gateway in it',
      { services: wide, source: addr('192.168.1.50'), asked: { prefix: 120 } },
      'address ssh',
    ],
    [
      'no address where one is demanded',
      { services: [service('ssh', { requireAddress: true })] },
      'address ssh',
    ],
    [
      'only a family where an address is demanded',
      { services: [service('ssh', { requireAddress: true })], asked: { address: ANY_IPV4 } },
      'address ssh',
    ],
    [
      'the address that is demanded',
      { services: [service('ssh', { requireAddress: true })], asked: { address: HERE } },
      'ssh 203.0.113.7/128 30s',
    ],
    [
      'from where the service is not opened',
      { services: [service('ssh', { networks: [parseNetwork('203.0.114.0/24')!] })] },
      'address ssh',
    ],
    [
      'a prefix that reaches beyond where the service is opened',
      {
        services: [{ ...wide[0]!, networks: [parseNetwork('203.0.113.0/24')!] }],
        asked: { prefix: 119 },
      },
      'address ssh',
    ],
    [
      'from where the service is opened',
      { services: [service('ssh', { networks: [parseNetwork('203.0.113.0/24')!] })] },
      'ssh 203.0.113.7/128 30s',
    ],
    ['no such service', { asked: { services: ['nosuch'] } }, 'service nosuch'],
    ['one of two is barred', { asked: { services: ['ssh', 'nosuch'] } }, 'service nosuch'],
    [
      'a service that others may',
      { services: [service('ssh'), service('vault')], asked: { services: ['vault'] } },
      'service vault',
    ],
    ['all', { asked: { services: [] } }, 'ssh,wiki 203.0.113.7/128 30s'],
    ['all, who may nothing', { asked: { services: [] }, user: { services: [] } }, 'service'],
    ['one twice', { asked: { services: ['ssh', 'ssh'] } }, 'ssh 203.0.113.7/128 30s'],
    ['a time', { asked: { lifetime: 7 } }, 'ssh 203.0.113.7/128 7s'],
    ['too long a time', { asked: { lifetime: 2 ** 32 - 1 } }, 'ssh 203.0.113.7/128 3600s'],
    [
      'the shortest of several caps',
      {
        services: [service('ssh'), service('wiki', { maxLifetime: 60 })],
        asked: { services: [], lifetime: 600 },
      },
      'ssh,wiki 203.0.113.7/128 60s',
    ],
  ])('%s', (_, one, expected) => {
    expect(verdict(one)).toBe(expected)
  })
})

const addressText = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom(
    '127.0.0.1',
    '::1',
    'fe80::1',
    'ff02::1',
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '192.168.1.1',
  ),
)
const address = addressText.map(addr).filter(one => one !== undefined)
/** Often near each other, so that prefixes matter. */
const pair = fc.oneof(
  fc.tuple(address, address),
  fc.tuple(address, fc.integer({ min: 96, max: 127 })).map(([one, bit]) => {
    const bytes = addressBytes(one)
    bytes[bit >> 3]! ^= 0x80 >> (bit & 7)
    return [one, readAddress(bytes, 0)] as const
  }),
)
const name = fc.constantFrom('ssh', 'wiki', 'vault', 'nosuch')
const some = fc.record({
  pair,
  explicit: fc.constantFrom('any', 'any-ipv4', 'source', 'other'),
  prefix: fc.oneof(fc.constant(128), fc.integer({ min: 0, max: 128 })),
  services: fc.array(name, { maxLength: 4 }),
  lifetime: fc.oneof(fc.constant(0), fc.nat(2 ** 32 - 1)),
  user: fc.record({
    services: fc.uniqueArray(fc.constantFrom('ssh', 'wiki', 'vault'), { maxLength: 3 }),
    otherAddress: fc.boolean(),
  }),
  max: fc.record({
    ipv4: fc.integer({ min: 112, max: 128 }),
    ipv6: fc.integer({ min: 32, max: 128 }),
  }),
  flags: fc.record({
    requireAddress: fc.boolean(),
    behindProxy: fc.boolean(),
    maxLifetime: fc.integer({ min: 1, max: 100_000 }),
    factor: fc.constantFrom('required' as const, 'none' as const),
  }),
  listensOnLoopback: fc.boolean(),
})

describe('whatever is asked', () => {
  it('nothing is permitted that the user, the service and the host do not allow', () => {
    let permits = 0
    fc.assert(
      fc.property(some, its => {
        const [source, near] = its.pair
        const explicit = { any: ANY, 'any-ipv4': ANY_IPV4, source, other: near }[its.explicit]
        const services = ['ssh', 'wiki', 'vault'].map(one =>
          service(one, { maxPrefix: its.max, ...its.flags }),
        )
        const who = user('alice', 1, its.user)
        const directory: Directory = toDirectory(services, [who])
        const knock = asked({
          address: explicit,
          prefix: its.prefix,
          services: its.services,
          lifetime: its.lifetime,
        })
        const machine = host({ listensOnLoopback: its.listensOnLoopback })
        const decision = decide(directory, who, knock, source, machine, NOON)
        if (decision.kind === 'denial') return
        permits++
        const { network } = decision
        const family = familyOf(network.address)
        const names = decision.services.map(one => one.name)
        expect(names.length).toBeGreaterThan(0)
        expect(who.services).toEqual(expect.arrayContaining(names))
        if (its.services.length > 0) expect(new Set(names)).toEqual(new Set(its.services))
        expect(decision.lifetime).toBeGreaterThan(0)
        expect(decision.lifetime).toBeLessThanOrEqual(its.flags.maxLifetime)
        if (its.lifetime > 0) expect(decision.lifetime).toBeLessThanOrEqual(its.lifetime)
        expect(network).toEqual(maskNetwork(network.address, network.prefix))
        expect(network.prefix).toBe(its.prefix)
        expect(network.prefix).toBeGreaterThanOrEqual(family === 4 ? its.max.ipv4 : its.max.ipv6)
        if (family === familyOf(source) && !its.user.otherAddress) {
          expect(contains(network, source)).toBe(true)
        }
        if (its.flags.requireAddress) expect([ANY, ANY_IPV4]).not.toContain(explicit)
        if (scopeOf(network.address) === 'loopback') expect(scopeOf(source)).toBe('loopback')
        if (!its.flags.behindProxy) expect(contains(network, GATEWAY)).toBe(false)
        const scopes = ['global', 'private', ...(its.listensOnLoopback ? ['loopback'] : [])]
        const one = explicit === ANY || explicit === ANY_IPV4 ? source : explicit
        expect(scopes).toContain(scopeOf(one))
      }),
      { numRuns: 3000 },
    )
    expect(permits).toBeGreaterThan(50)
  })

  it('a code is needed unless every service that is asked for says otherwise', () => {
    fc.assert(
      fc.property(
        fc.array(name, { maxLength: 4 }),
        fc.uniqueArray(fc.constantFrom('ssh', 'wiki'), { maxLength: 2 }),
        fc.boolean(),
        (names, mine, free) => {
          const services = [service('ssh'), service('wiki', { factor: free ? 'none' : 'required' })]
          const who = user('alice', 1, { services: mine })
          const effective = names.length > 0 ? names : mine
          const without = free && effective.length > 0 && effective.every(one => one === 'wiki')
          expect(needsFactor(toDirectory(services, [who]), who, names)).toBe(
            !(without && mine.includes('wiki')),
          )
        },
      ),
    )
  })
})

describe('a grant is still allowed', () => {
  const grant = {
    id: '00000000000000aa',
    user: 'alice',
    device: 'alice/laptop',
    services: ['ssh', 'wiki'],
    networks: [],
    sentAt: 0,
    until: 0,
  }
  const both = [service('ssh'), service('wiki')]
  it.each([
    ['as it was', toDirectory(both, [user('alice', 1)]), ['ssh', 'wiki']],
    [
      'but for what its user lost',
      toDirectory(both, [user('alice', 1, { services: ['ssh'] })]),
      ['ssh'],
    ],
    ['but for what is gone', toDirectory([service('wiki')], [user('alice', 1)]), ['wiki']],
    ['not at all: no user', toDirectory(both, []), []],
    ['not at all: locked', toDirectory(both, [user('alice', 1, { locked: true })]), []],
    ['not at all: no device', toDirectory(both, [user('alice', 1, { devices: [] })]), []],
  ])('%s', (_, directory, expected) => {
    expect(stillAllowed(directory, grant)).toEqual(expected)
  })
})
