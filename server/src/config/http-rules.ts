import { formatNetwork } from '@oneknock/shared'
import type { Endpoint, Service } from '../core/directory.ts'
import type { HttpSettings } from '../core/http.ts'
import { conflict, type Problem } from './error.ts'
import { endpointsClash, formatEndpoint } from './places.ts'

/** What is wrong with the HTTP door beside the rest of a configuration. */
export function httpRules(
  http: HttpSettings,
  services: readonly Service[],
  metrics: Endpoint | undefined,
): Problem[] {
  return [
    ...http.listen.flatMap((endpoint, index) => {
      const others = [
        ...http.listen.slice(0, index).map(listen => ({ listen, owner: 'this door' })),
        ...services.flatMap(({ name, gate }) =>
          gate ? [{ listen: gate.listen, owner: `the gate of services.${name}` }] : [],
        ),
        ...(metrics ? [{ listen: metrics, owner: 'metrics' }] : []),
      ]
      const other = others.find(({ listen }) => endpointsClash(listen, endpoint))
      const text = formatEndpoint(endpoint)
      if (other)
        return [problem(['listen', index], `${text} is ${other.owner}'s; take another port`)]
      const guarded = services.find(({ ports }) =>
        ports.some(({ protocol, port }) => protocol === 'tcp' && port === endpoint.port),
      )
      if (!guarded) return []
      const message = `services.${guarded.name} guards tcp/${endpoint.port}, so nobody could ask here to have it opened; take another port`
      return [problem(['listen', index], message)]
    }),
    ...http.trustedProxies.flatMap((network, index) =>
      formatNetwork(network).endsWith('/0')
        ? [problem(['trusted_proxies', index], 'is everybody, who could then say to be anybody')]
        : [],
    ),
    ...(http.services ?? []).flatMap((name, index) =>
      services.some(service => service.name === name)
        ? []
        : [problem(['services', index], `there is no such service; write [services.${name}]`)],
    ),
  ]
}

const problem = (path: readonly (string | number)[], message: string): Problem =>
  conflict(['http', ...path], message)
