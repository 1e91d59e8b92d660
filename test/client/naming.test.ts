import { familyOf, formatNetwork, parseNetwork } from '@oneknock/shared'
import { describe, expect, it } from 'vitest'
import { nameRoutes } from '../../client/src/naming.ts'
import type { Route } from '../../client/src/transport.ts'
import { address } from './fake-world.ts'

const route = (own: string | undefined, server: string): Route => ({
  own: own === undefined ? undefined : address(own),
  server: address(server),
  listen: () => {},
  send: () => {},
  close: () => {},
})

const network = (text: string) => parseNetwork(text)!
const names = (
  pairs: readonly (readonly [own: string | undefined, server: string])[],
  { links = [], override }: { links?: string[]; override?: string } = {},
) =>
  nameRoutes(
    pairs.map(([own, server]) => route(own, server)),
    override === undefined ? undefined : network(override),
    () => links.map(network),
  ).map(({ route, named }) => `${familyOf(route.server)} ${formatNetwork(named)}`)

describe('alone, a machine names', () => {
  it.each([
    ['a global address', '203.0.113.7', '198.51.100.1', [], '203.0.113.7'],
    ['a global IPv6 address', '2001:db8:2::7', '2001:db8::1', [], '2001:db8:2::7'],
    ['loopback towards loopback', '127.0.0.1', '127.0.0.1', [], '127.0.0.1'],
    ['loopback towards loopback', '::1', '::1', [], '::1'],
    [
      'a private address on its own link',
      '192.168.1.5',
      '192.168.1.1',
      ['192.168.1.0/24'],
      '192.168.1.5',
    ],
    ['the source, from private to global', '192.168.1.5', '198.51.100.1', ['192.168.1.0/24'], '::'],
    ['the source, to a private net beyond', '172.17.0.2', '10.0.0.5', ['172.17.0.0/16'], '::'],
    ['the source, behind a carrier', '100.64.3.4', '198.51.100.1', [], '::'],
    [
      'a private IPv6 address on its site',
      'fd12:3456:789a:1::5',
      'fd12:3456:789a:2::1',
      [],
      'fd12:3456:789a:1::5',
    ],
    ['the source, to another site', 'fd12:3456:789a:1::5', 'fd12:3456:789b:2::1', [], '::'],
    ['the source, from private IPv6 to global', 'fd12:3456:789a:1::5', '2001:db8::1', [], '::'],
    ['the source, through NAT64', '2001:db8:2::7', '64:ff9b::198.51.100.1', [], '::'],
    ['the source, through 464XLAT', '192.0.0.4', '198.51.100.1', [], '::'],
    ['the source, through a tunnel proxy', '198.18.0.1', '198.51.100.1', [], '::'],
    ['the source, from a link-local address', '169.254.1.1', '198.51.100.1', [], '::'],
    ['the source, if its own has a zone', undefined, 'fd00::1', [], '::'],
  ])('%s: %s to %s', (_what, own, server, links, expected) => {
    expect(names([[own, server]], { links })).toEqual([`${familyOf(address(server))} ${expected}`])
  })
})

describe('with both families', () => {
  it('names each its own', () => {
    const pairs = [
      ['2001:db8:2::7', '2001:db8::1'],
      ['203.0.113.7', '198.51.100.1'],
    ] as const
    expect(names(pairs)).toEqual(['6 2001:db8:2::7', '4 203.0.113.7'])
  })

  it('names IPv4 behind NAT so that it can join', () => {
    const pairs = [
      ['2001:db8:2::7', '2001:db8::1'],
      ['192.168.1.5', '198.51.100.1'],
    ] as const
    expect(names(pairs)).toEqual(['6 2001:db8:2::7', '4 0.0.0.0'])
  })

  it('sends the one that cannot join first', () => {
    const pairs = [
      ['203.0.113.7', '198.51.100.1'],
      ['fd00::5', '2001:db8::1'],
    ] as const
    expect(names(pairs)).toEqual(['6 ::', '4 203.0.113.7'])
  })
})

describe('an address given by hand', () => {
  const pairs = [
    ['2001:db8:2::7', '2001:db8::1'],
    ['203.0.113.7', '198.51.100.1'],
  ] as const

  it.each([
    ['192.0.2.0/24', ['4 192.0.2.0/24']],
    ['2001:db8:9::/64', ['6 2001:db8:9::/64']],
    ['0.0.0.0', ['4 0.0.0.0']],
    ['0.0.0.0/24', ['4 0.0.0.0/24']],
    ['::/64', ['6 ::/64']],
    ['::', ['6 ::', '4 0.0.0.0']],
  ])('%s goes out in its own family', (override, expected) => {
    expect(names(pairs, { override })).toEqual(expected)
  })

  it('goes out in the other family if there is no way in its own', () => {
    expect(names([pairs[0]], { override: '192.0.2.1' })).toEqual(['6 192.0.2.1'])
  })

  it('may be whatever the server sees', () => {
    expect(names([pairs[1]], { override: '::' })).toEqual(['4 ::'])
  })
})
