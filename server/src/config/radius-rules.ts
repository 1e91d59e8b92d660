import { formatNetwork, sameNetwork } from '@oneknock/shared'
import type { Endpoint, Service } from '../core/directory.ts'
import type { HttpSettings } from '../core/http.ts'
import type { RadiusClient, RadiusSettings } from '../core/radius.ts'
import { approvalRules } from './approval.ts'
import { conflict, type Problem } from './error.ts'
import { endpointsClash, formatEndpoint } from './places.ts'

interface Beside {
  readonly knocks: readonly Endpoint[]
  readonly services: readonly Service[]
  readonly channels: readonly string[]
  readonly http: HttpSettings | undefined
}

/** What is wrong with the RADIUS door beside the rest of a configuration. */
export function radiusRules(
  { listen, clients }: RadiusSettings,
  { knocks, services, channels, http }: Beside,
): Problem[] {
  return [
    ...listen.flatMap((endpoint, index) => {
      const owners = [
        ...listen.slice(0, index).map(place => ({ place, owner: 'this door' })),
        ...knocks.map(place => ({ place, owner: 'the knocks' })),
      ]
      const taken = owners.find(({ place }) => endpointsClash(place, endpoint))
      if (taken) return [takenBy(index, endpoint, taken.owner)]
      const guarded = services.find(({ ports }) =>
        ports.some(({ protocol, port }) => protocol === 'udp' && port === endpoint.port),
      )
      return guarded ? [takenBy(index, endpoint, `services.${guarded.name}`)] : []
    }),
    ...clients.flatMap((client, index) => [
      ...sharedNetworks(client, clients.slice(0, index)),
      ...unknownServices(client, services),
      ...approvalRules(
        client.approval,
        ['radius', 'clients', client.name, 'approval'],
        channels,
        http,
      ),
    ]),
  ]
}

const takenBy = (index: number, endpoint: Endpoint, owner: string): Problem => {
  const message = `${formatEndpoint(endpoint)} belongs to ${owner} already; take another port`
  return conflict(['radius', 'listen', index], message)
}

/** Whose secret would count? */
const sharedNetworks = (client: RadiusClient, before: readonly RadiusClient[]): Problem[] =>
  client.networks.flatMap(network => {
    const other = before.find(({ networks }) => networks.some(one => sameNetwork(one, network)))
    if (!other) return []
    const message = `${formatNetwork(network)} is that of radius.clients.${other.name} already; leave it out of one of them`
    return [conflict(['radius', 'clients', client.name], message)]
  })

const unknownServices = (
  { name, services: wanted = [] }: RadiusClient,
  services: readonly Service[],
): Problem[] =>
  wanted.flatMap((service, index) => {
    if (services.some(({ name }) => name === service)) return []
    const message = `there is no such service; write [services.${service}]`
    return [conflict(['radius', 'clients', name, 'services', index], message)]
  })
