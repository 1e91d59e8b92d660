import {
  type Address,
  contains,
  formatNetwork,
  type Network,
  parseAddress,
  parseNetwork,
} from '@oneknock/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyLines, type Permission } from '../../../server/src/hooks/authorized-keys/lines.ts'

const NOON = 1_800_000_000_000
const NETWORKS = [
  '203.0.113.7',
  '203.0.113.8',
  '203.0.113.0/24',
  '203.0.0.0/16',
  '2001:db8::7',
  '2001:db8::/64',
]
const KEYS = ['ssh-ed25519 AAAAone', 'ssh-ed25519 AAAAtwo']
const address = (text: string): Address => parseAddress(text)!
const ADDRESSES = [
  '203.0.113.7',
  '203.0.113.8',
  '203.0.113.9',
  '203.0.9.9',
  '2001:db8::7',
  '2001:db8::8',
  '192.0.2.1',
].map(address)

const aPermission: fc.Arbitrary<Permission> = fc.record({
  user: fc.constantFrom('anna', 'bert'),
  keys: fc.subarray(KEYS, { minLength: 1 }),
  network: fc.constantFrom(...NETWORKS).map(text => parseNetwork(text)!),
  to: fc
    .subarray([1, 2, 3], { minLength: 1 })
    .map(ports => ports.map(port => ({ host: 'h', port }))),
  until: fc.integer({ min: 1, max: 8_000 }).map(ms => NOON + ms),
})

/** What sshd makes of a line (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"). */
interface Line {
  readonly key: string
  readonly from: Network
  readonly opens: readonly string[]
  readonly second: number
}

function readLine(text: string): Line {
  const [, from = ''] = /,from="([^"]*)"/.exec(text) ?? []
  const [, y, mo, d, h, mi, s] =
    /,expiry-time="(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z" /.exec(text) ?? []
  return {
    key: KEYS.find(key => text.includes(`" ${key} `))!,
    from: parseNetwork(from)!,
    opens: [...text.matchAll(/,permitopen="([^"]*)"/g)].map(([, open]) => open!),
    second: Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s)) / 1000,
  }
}

/** The first line that has the key, the address and the time decides, and no other is looked at. */
const sshd = (lines: readonly Line[], key: string, peer: Address, second: number): string[] => [
  ...(lines.find(line => line.key === key && contains(line.from, peer) && second <= line.second)
    ?.opens ?? []),
]

/** What was granted: all that any living permission gives. */
const granted = (
  all: readonly Permission[],
  key: string,
  peer: Address,
  second: number,
): string[] => [
  ...new Set(
    all
      .filter(
        ({ keys, network, until }) =>
          keys.includes(key) && contains(network, peer) && second <= Math.floor(until / 1000),
      )
      .flatMap(({ to }) => to.map(({ host, port }) => `${host}:${port}`)),
  ),
]

describe('the lines', () => {
  it('let in whom the permissions do, and nobody else, whichever overlap', () => {
    fc.assert(
      fc.property(fc.array(aPermission, { maxLength: 8 }), permissions => {
        const lines = keyLines(permissions).map(readLine)
        for (const key of KEYS) {
          for (const peer of ADDRESSES) {
            for (let second = NOON / 1000; second < NOON / 1000 + 10; second++) {
              expect(sshd(lines, key, peer, second).sort()).toEqual(
                granted(permissions, key, peer, second).sort(),
              )
            }
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  it('are one for each key and network, if nothing overlaps', () => {
    const permissions = NETWORKS.slice(0, 2).map(text => ({
      user: 'anna',
      keys: KEYS,
      network: parseNetwork(text)!,
      to: [{ host: 'h', port: 1 }],
      until: NOON,
    }))
    expect(
      keyLines(permissions)
        .map(readLine)
        .map(({ from }) => formatNetwork(from)),
    ).toEqual(['203.0.113.7', '203.0.113.8', '203.0.113.7', '203.0.113.8'])
    expect(keyLines([])).toEqual([])
  })
})
