import { parseNetwork } from '@oneknock/shared'
import { describe, expect, it } from 'vitest'
import { Budget, siteOf } from '../../../server/src/listeners/http/budget.ts'
import { SOURCES_MAX, TRIES, TRY_MS } from '../../../server/src/listeners/http/limits.ts'
import { originOf } from '../../../server/src/listeners/http/source.ts'
import { addr } from '../kit.ts'

const TRUSTED = ['192.0.2.1/32', '10.0.0.0/8', '2001:db8:1::/48'].map(text => parseNetwork(text)!)

function from(peer: string, headers: Record<string, string> = {}): string {
  const origin = originOf(addr(peer), TRUSTED, name => headers[name] ?? '')
  return origin.kind === 'known' ? origin.address : origin.kind
}

const xff = (list: string) => ({ 'x-forwarded-for': list })
const forwarded = (list: string) => ({ forwarded: list })

describe('where a request comes from', () => {
  it.each([
    ['a stranger', '203.0.113.7', {}, '203.0.113.7'],
    ['a stranger who names another', '203.0.113.7', xff('198.51.100.9'), '203.0.113.7'],
    [
      'a stranger who names another by RFC 7239',
      '203.0.113.7',
      forwarded('for=1.2.3.4'),
      '203.0.113.7',
    ],
    ['a trusted proxy', '192.0.2.1', xff('203.0.113.7'), '203.0.113.7'],
    [
      'what somebody put before the proxy’s own word',
      '192.0.2.1',
      xff('1.1.1.1, 203.0.113.7'),
      '203.0.113.7',
    ],
    ['two trusted proxies', '192.0.2.1', xff('9.9.9.9, 203.0.113.7, 10.1.2.3'), '203.0.113.7'],
    ['proxies alone', '192.0.2.1', xff('10.9.9.9, 10.1.2.3'), '10.9.9.9'],
    ['IPv6', '192.0.2.1', xff('2001:db8:2::7'), '2001:db8:2::7'],
    ['a trusted proxy over IPv6', '2001:db8:1::5', xff('2001:db8:2::7'), '2001:db8:2::7'],
    ['IPv4 that is mapped', '192.0.2.1', xff('::ffff:203.0.113.7'), '203.0.113.7'],
    ['a port', '192.0.2.1', xff('203.0.113.7:4711'), '203.0.113.7'],
    ['brackets and a port', '192.0.2.1', xff('[2001:db8:2::7]:4711'), '2001:db8:2::7'],
    ['RFC 7239', '192.0.2.1', forwarded('for=203.0.113.7;proto=https;by=192.0.2.1'), '203.0.113.7'],
    [
      'RFC 7239 in quotes',
      '192.0.2.1',
      forwarded('proto=https; For="[2001:db8:2::7]:4711"'),
      '2001:db8:2::7',
    ],
    [
      'RFC 7239, two hops',
      '192.0.2.1',
      forwarded('for=1.1.1.1, for=203.0.113.7, for=10.0.0.1'),
      '203.0.113.7',
    ],
    [
      'both, of one mind',
      '192.0.2.1',
      { ...xff('203.0.113.7'), ...forwarded('for=203.0.113.7') },
      '203.0.113.7',
    ],
    [
      'both, of two minds',
      '192.0.2.1',
      { ...xff('203.0.113.7'), ...forwarded('for=1.1.1.1') },
      'unsaid',
    ],
    [
      'both, and one is no address',
      '192.0.2.1',
      { ...xff('203.0.113.7'), ...forwarded('for=_x') },
      'unsaid',
    ],
    ['a proxy that does not say', '192.0.2.1', {}, 'unsaid'],
    ['an unknown hop', '192.0.2.1', xff('203.0.113.7, unknown'), 'unsaid'],
    [
      'an unknown hop behind a trusted one',
      '192.0.2.1',
      xff('203.0.113.7, unknown, 10.0.0.1'),
      'unsaid',
    ],
    ['an empty hop', '192.0.2.1', xff('203.0.113.7,'), 'unsaid'],
    ['a zone', '192.0.2.1', xff('fe80::1%eth0'), 'unsaid'],
    ['an obfuscated hop', '192.0.2.1', forwarded('for=_hidden'), 'unsaid'],
    ['a comma in quotes', '192.0.2.1', forwarded('for="1.1.1.1, 203.0.113.7"'), 'unsaid'],
    ['this host itself', '127.0.0.1', {}, '127.0.0.1'],
    ['a proxy on this host that nobody named', '127.0.0.1', xff('203.0.113.7'), 'unnamed-proxy'],
  ])('%s', (_, peer, headers, expected) => {
    expect(from(peer, headers)).toBe(expected)
  })
})

describe('the budget of a source', () => {
  const tries = (budget: Budget, source: string, at: number) => {
    let count = 0
    while (budget.take(addr(source), at)) count++
    return count
  }

  it('is spent, and earned again in time', () => {
    const budget = new Budget()
    expect(tries(budget, '203.0.113.7', 0)).toBe(TRIES)
    expect(tries(budget, '203.0.113.8', 0)).toBe(TRIES)
    expect(tries(budget, '203.0.113.7', TRY_MS - 1)).toBe(0)
    expect(tries(budget, '203.0.113.7', 3 * TRY_MS)).toBe(3)
  })

  it('is one for an IPv6 site, however many addresses it has', () => {
    const budget = new Budget()
    expect(tries(budget, '2001:db8::1', 0)).toBe(TRIES)
    expect(tries(budget, '2001:db8::ffff:1', 0)).toBe(0)
    expect(tries(budget, '2001:db8:0:1::1', 0)).toBe(TRIES)
    expect(siteOf(addr('2001:db8::1'))).toBe('2001:db8::')
  })

  it('is not spent on right codes', () => {
    const budget = new Budget()
    for (let i = 0; i < 10 * TRIES; i++) {
      expect(budget.take(addr('203.0.113.7'), 0)).toBe(true)
      budget.giveBack(addr('203.0.113.7'))
    }
    expect(tries(budget, '203.0.113.7', 0)).toBe(TRIES)
  })

  it('remembers no more sources than it may', () => {
    const budget = new Budget()
    for (let i = 0; i < SOURCES_MAX + 500; i++) {
      budget.take(addr(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`), 0)
    }
    expect(budget.size).toBe(SOURCES_MAX)
  })
})
