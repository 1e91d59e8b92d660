import { parseAddress, scopeOf } from '@oneknock/shared'
import { formatPort } from '../config/places.ts'
import type { Config } from '../config.ts'
import type { Endpoint, Port, Protocol, Service } from '../core/directory.ts'
import { formatInner, type Lead, leadsOf } from '../core/forwards.ts'
import type { Wanted } from './chains.ts'

/** What must get through the firewalls of others: knocks, and what they open. */
export function wantedOf({ listen, http, radius, services, firewall }: Config): Wanted[] {
  // The guard keeps knocks out of connection tracking, so no rule for "new" ones lets them pass.
  const state =
    firewall.backend === 'nftables' || firewall.backend === 'ipset' ? 'untracked' : 'new'
  const knocks = listen.filter(reachable).map(({ port }) => ({ protocol: 'udp', port }) as const)
  return [
    ...knocks.map((port): Wanted => {
      return { what: `knocks at ${formatPort(port)}`, port, to: 'here', state }
    }),
    ...doorAt('HTTP', 'tcp', http?.listen),
    ...doorAt('RADIUS', 'udp', radius?.listen),
    ...[...services.values()].flatMap(ofService),
  ]
}

/** A way in for those who have no packet. */
const doorAt = (name: string, protocol: Protocol, listen: readonly Endpoint[] = []): Wanted[] =>
  listen.filter(reachable).map(({ port }): Wanted => {
    const at = { protocol, port }
    return { what: `the ${name} door at ${formatPort(at)}`, port: at, to: 'here', state: 'new' }
  })

function ofService(service: Service): Wanted[] {
  const { name, ports, destination, gate } = service
  if (service.forward) return leadsOf(service).map(ofLead)
  const to = destination.length > 0 ? 'elsewhere' : 'here'
  const at = (port: Port): Wanted => ({ what: formatPort(port), port, to, state: 'new' })
  if (!gate || !reachable(gate.listen)) return ports.map(at)
  const port = { protocol: 'tcp', port: gate.listen.port } as const
  const what = `the gate of ${name} at ${formatPort(port)}`
  return [...ports.map(at), { what, port, to: 'here', state: 'new' }]
}

/** What listens on loopback is nobody's from outside. */
const reachable = ({ host }: Endpoint): boolean => scopeOf(parseAddress(host)!) !== 'loopback'

/** Once it has been translated: before that the guard has judged it. */
const ofLead = ({ port: { protocol, port }, to }: Lead): Wanted => ({
  what: `${protocol}/${port} on its way to ${formatInner(to)}`,
  port: { protocol, port: to.port },
  to: 'elsewhere',
  state: 'new',
  host: to.address,
})
