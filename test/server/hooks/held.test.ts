import { containsNetwork, maskNetwork, parseAddress, wirePrefix } from '@oneknock/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Opening, openingKey } from '../../../server/src/core/openings.ts'
import { Held } from '../../../server/src/hooks/guard/held.ts'
import { zonesOf } from '../../../server/src/hooks/guard/zones.ts'
import { service } from './service.ts'

const port = { protocol: 'tcp', port: 22 } as const
const maxPrefix = { ipv4: wirePrefix(4, 0), ipv6: 0 }
const services = [
  service('ssh', { ports: [port], maxPrefix }),
  service('both', { ports: [port, { protocol: 'tcp', port: 80 }], maxPrefix }),
  service('web', { ports: [{ protocol: 'tcp', port: 80 }], maxPrefix }),
]

/** So few addresses that many networks lie in each other. */
const networks = fc.oneof(
  fc
    .tuple(fc.nat(3), fc.constantFrom(0, 24, 30, 31, 32, 32))
    .map(([host, length]) => maskNetwork(parseAddress(`192.0.2.${host}`)!, wirePrefix(4, length))),
  fc
    .tuple(fc.nat(3), fc.constantFrom(0, 64, 127, 128, 128))
    .map(([host, length]) => maskNetwork(parseAddress(`2001:db8::${host}`)!, length)),
)
const openings: fc.Arbitrary<Opening> = fc
  .record({
    service: fc.constantFrom('ssh', 'both', 'web'),
    network: networks,
    user: fc.constantFrom(undefined, undefined, 'alice', 'bob'),
  })
  .map(({ user, ...opening }) => ({ ...opening, until: 1, ...(user && { user }) }))

describe('what is held', () => {
  it('are rivals for a port: whoever admits some of the same peers to it, and no other', () => {
    fc.assert(
      fc.property(fc.array(openings, { maxLength: 30 }), openings, (others, own) => {
        fc.pre(own.service !== 'web')
        const zones = zonesOf(services)
        const held = new Held(zones)
        for (const opening of others) held.put(opening)
        const overlap = ({ network }: Opening) =>
          containsNetwork(network, own.network) || containsNetwork(own.network, network)
        const expected = held
          .list()
          .filter(other => other.service !== 'web' && overlap(other))
          .map(openingKey)
          .filter(key => key !== openingKey(own))
        expect(held.rivals(own, port, zones[0]!).map(openingKey).sort()).toEqual(expected.sort())
      }),
    )
  })
})
