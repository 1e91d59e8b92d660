import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Address,
  type AddressScope,
  addressBytes,
  contains,
  containsNetwork,
  familyOf,
  familyPrefix,
  formatNetwork,
  maskNetwork,
  parseAddress,
  parseNetwork,
  readAddress,
  sameNetwork,
  scopeOf,
  toHex,
  wirePrefix,
} from '../../shared/src/index.ts'
import { address, ipv4, ipv6, network, rawAddress } from './arbitraries.ts'

const addr = (text: string) => parseAddress(text)!
const net = (text: string) => parseNetwork(text)!

describe('the text of an address', () => {
  it('is the one of its 16 bytes, and they are the ones of the text', () => {
    fc.assert(
      fc.property(rawAddress, raw => {
        const text = readAddress(raw, 0)
        expect(toHex(addressBytes(text))).toBe(toHex(raw))
        expect(parseAddress(text)).toBe(text)
        expect(isIP(text)).toBe(familyOf(text))
      }),
      { numRuns: 3000 },
    )
  })

  it('of IPv6 is what a URL makes of it (RFC 5952 by another hand)', () => {
    fc.assert(
      fc.property(ipv6, text => {
        expect(new URL(`http://[${text}]/`).hostname).toBe(`[${text}]`)
      }),
      { numRuns: 2000 },
    )
  })

  // RFC 5952 sections 1 to 5, and the mapped form that is IPv4 to us.
  const examples: readonly (readonly [string, string])[] = [
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8::0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8:0:0:1::1', '2001:db8::1:0:0:1'],
    ['2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001', '2001:db8:aaaa:bbbb:cccc:dddd:eeee:1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:0', '2001:db8:0:0:1::'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['::192.0.2.33', '::c000:221'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::ffff:192.0.2.33', '192.0.2.33'],
    ['::FFFF:c000:221', '192.0.2.33'],
    ['0:0:0:0:0:ffff:0:0', '0.0.0.0'],
  ]
  it.each(examples)('%s is %s', (text, canonical) => expect(parseAddress(text)).toBe(canonical))

  it('is parsed exactly if the system takes it for one, but for zones', () => {
    const piece = fc.constantFrom(
      ...['0', '1', '9', '10', '255', '256', '01', '00', 'a', 'F', 'ffff', '10000', 'g', ''],
      ...[
        ':',
        '::',
        '.',
        '..',
        ':1',
        '1:',
        '1.2.3.4',
        '::ffff:',
        '%eth0',
        '/',
        ' ',
        '-1',
        '+',
        '１',
      ],
    )
    const nearly = fc.oneof(
      fc.array(piece, { maxLength: 12 }).map(pieces => pieces.join('')),
      fc.array(piece, { minLength: 8, maxLength: 8 }).map(pieces => pieces.join(':')),
      fc.array(piece, { minLength: 4, maxLength: 4 }).map(pieces => pieces.join('.')),
      fc.tuple(address, fc.nat(), piece).map(([text, at, put]) => {
        const cut = at % (text.length + 1)
        return text.slice(0, cut) + put + text.slice(cut + 1)
      }),
      fc.string(),
    )
    let addresses = 0
    fc.assert(
      fc.property(nearly, text => {
        const isOne = isIP(text) !== 0 && !text.includes('%')
        if (isOne) addresses++
        expect(parseAddress(text) !== undefined).toBe(isOne)
      }),
      { numRuns: 20_000 },
    )
    expect(addresses).toBeGreaterThan(500)
  })
})

describe('a network', () => {
  it('holds what the system says that it holds', () => {
    const pair = fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6))
    // Nearly the same address, so that both answers are met at every length.
    const near = fc.tuple(fc.oneof(ipv4, ipv6), fc.nat({ max: 127 })).map(([one, bit]) => {
      const raw = addressBytes(one)
      const at = familyOf(one) === 4 ? 96 + (bit % 32) : bit
      raw[at >> 3]! ^= 0x80 >> (at & 7)
      return [one, readAddress(raw, 0)] as [Address, Address]
    })
    fc.assert(
      fc.property(fc.oneof(pair, near), fc.nat({ max: 128 }), ([base, other], length) => {
        const family = familyOf(base)
        fc.pre(familyOf(other) === family)
        const bits = family === 4 ? length % 33 : length
        const list = new BlockList()
        list.addSubnet(base, bits, `ipv${family}`)
        const expected = list.check(other, `ipv${family}`)
        expect(contains(maskNetwork(base, wirePrefix(family, bits)), other)).toBe(expected)
      }),
      { numRuns: 5000 },
    )
  })

  it('never holds an address of the other family', () => {
    expect(contains(net('::/0'), addr('192.0.2.1'))).toBe(false)
    expect(contains(net('0.0.0.0/0'), addr('::1'))).toBe(false)
    expect(contains(net('::/0'), addr('2001:db8::1'))).toBe(true)
    expect(contains(net('0.0.0.0/0'), addr('192.0.2.1'))).toBe(true)
  })

  it('keeps its family and its own address when masked, and masking twice changes nothing', () => {
    fc.assert(
      fc.property(network, ({ address, prefix }) => {
        const masked = maskNetwork(address, prefix)
        expect(familyOf(masked.address)).toBe(familyOf(address))
        expect(contains(masked, address)).toBe(true)
        expect(maskNetwork(masked.address, prefix)).toEqual(masked)
        expect(parseNetwork(formatNetwork(masked))).toEqual(masked)
        expect(wirePrefix(familyOf(address), familyPrefix(masked))).toBe(prefix)
      }),
      { numRuns: 2000 },
    )
  })

  it('holds a longer one of the same address, and itself, and no shorter one', () => {
    fc.assert(
      fc.property(network, fc.nat(), ({ address, prefix }, more) => {
        const outer = maskNetwork(address, prefix)
        const inner = maskNetwork(address, prefix + (more % (129 - prefix)))
        expect(containsNetwork(outer, inner)).toBe(true)
        expect(containsNetwork(inner, outer)).toBe(sameNetwork(inner, outer))
      }),
    )
  })

  const texts: readonly (readonly [string, string | undefined])[] = [
    ['203.0.113.77/24', '203.0.113.0/24'],
    ['203.0.113.77/32', '203.0.113.77'],
    ['203.0.113.77', '203.0.113.77'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:db8:1:2:3::/64', '2001:db8:1:2::/64'],
    ['2001:db8::1/128', '2001:db8::1'],
    ['::/0', '::/0'],
    ['::ffff:10.1.2.3/104', '10.0.0.0/8'],
    ['::ffff:10.1.2.3/128', '10.1.2.3'],
    ['::ffff:10.1.2.3/8', undefined],
    ['10.0.0.0/33', undefined],
    ['2001:db8::/129', undefined],
    ['10.0.0.0/08', undefined],
    ['10.0.0.0/', undefined],
    ['10.0.0.0/-1', undefined],
    ['10.0.0.0/8/8', undefined],
    ['10.0.0.0/8 ', undefined],
    ['10.0.0.0/255.0.0.0', undefined],
    ['10.0.0/8', undefined],
    ['/8', undefined],
  ]
  it.each(texts)('%s is %s', (text, canonical) => {
    const parsed = parseNetwork(text)
    expect(parsed && formatNetwork(parsed)).toBe(canonical)
  })
})

describe('the scope of an address', () => {
  // The first and last address of each block of RFC 6890 that matters, and their neighbours.
  const scopes: Readonly<Record<AddressScope, readonly string[]>> = {
    unspecified: ['0.0.0.0', '0.255.255.255', '::', '::ffff:0.0.0.0'],
    loopback: ['127.0.0.0', '127.255.255.255', '::1', '::ffff:127.0.0.1'],
    'link-local': ['169.254.0.0', '169.254.255.255', 'fe80::', 'febf:ffff::ffff'],
    multicast: [
      '224.0.0.0',
      '239.255.255.255',
      '240.0.0.0',
      '255.255.255.255',
      'ff00::',
      'ff02::1',
    ],
    private: [
      ...['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0'],
      ...['192.168.255.255', '100.64.0.0', '100.127.255.255', 'fc00::', 'fdff:ffff::ffff'],
    ],
    global: [
      ...[
        '1.0.0.0',
        '9.255.255.255',
        '11.0.0.0',
        '100.63.255.255',
        '100.128.0.0',
        '126.255.255.255',
      ],
      ...['128.0.0.0', '169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0'],
      ...['192.167.255.255', '192.169.0.0', '203.0.113.7', '223.255.255.255', '2001:db8::1', '::2'],
      ...['fbff::', 'fe00::', 'fe7f::', 'fec0::', 'feff::', '64:ff9b::7f00:1', '2002::1'],
    ],
  }
  const cases = Object.entries(scopes).flatMap(([scope, texts]) => texts.map(text => [text, scope]))
  it.each(cases)('of %s is %s', (text, scope) => expect(scopeOf(addr(text!))).toBe(scope))
})
