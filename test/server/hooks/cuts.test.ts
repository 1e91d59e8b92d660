import { contains, maskNetwork, parseAddress, wirePrefix } from '@oneknock/shared'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Cuts } from '../../../server/src/hooks/guard/cuts.ts'
import { zonesOf } from '../../../server/src/hooks/guard/zones.ts'
import { service } from './service.ts'

const PORTS = [22, 80].map(port => ({ protocol: 'tcp', port }) as const)
const zones = zonesOf([
  service('here', { ports: PORTS }),
  service('nas', { ports: PORTS, destination: [maskNetwork(parseAddress('198.51.100.1')!, 128)] }),
])

/** So few addresses that many networks lie in each other. */
const addresses = fc
  .tuple(fc.constantFrom('192.0.2.', '2001:db8::'), fc.nat(3))
  .map(([start, host]) => parseAddress(`${start}${host}`)!)
const networks = fc
  .tuple(addresses, fc.constantFrom(0, 24, 30, 31, 32, 32, 32))
  .map(([address, length]) =>
    maskNetwork(address, address.includes(':') ? 4 * length : wirePrefix(4, length)),
  )
const ports = fc.record({
  port: fc.constantFrom(...PORTS),
  except: fc.array(networks, { maxLength: 2 }),
})
const cuts = fc.record({
  zone: fc.constantFrom(...zones),
  network: networks,
  ports: fc.array(ports, { maxLength: 2 }),
})
const flows = fc.record({
  address: addresses,
  peerPort: fc.constant(40_000),
  protocol: fc.constant('tcp' as const),
  port: fc.constantFrom(22, 80, 443),
})

it('one of many cuts is found for a flow if it ends it, and none if none does', () => {
  fc.assert(
    fc.property(
      fc.array(cuts, { maxLength: 20 }),
      fc.constantFrom(...zones),
      flows,
      (list, { name }, flow) => {
        const ending = list.filter(
          ({ zone, network, ports }) =>
            zone.name === name &&
            contains(network, flow.address) &&
            ports.some(
              ({ port, except }) =>
                port.port === flow.port && !except.some(other => contains(other, flow.address)),
            ),
        )
        const found = new Cuts(list).find(name, flow)
        if (ending.length === 0) expect(found).toBeUndefined()
        else expect(ending).toContain(found)
      },
    ),
  )
})
