import { familyOf, formatNetwork, type Network, parseAddress, scopeOf } from '@oneknock/shared'
import { type Endpoint, isPersonal, type Service } from '../core/directory.ts'
import type { HttpSettings } from '../core/http.ts'
import type { RadiusSettings } from '../core/radius.ts'
import { approvalRules } from './approval.ts'
import type { Backend } from './defaults.ts'
import { conflict, type Path, type Problem } from './error.ts'
import { httpRules } from './http-rules.ts'
import { endpointsClash, formatEndpoint, formatPort } from './places.ts'
import { radiusRules } from './radius-rules.ts'

/** What was readable of a configuration; rules that need a part that was not are skipped. */
export interface Parts {
  readonly listen: readonly Endpoint[] | undefined
  readonly firewall: { readonly backend: Backend; readonly allow: readonly Network[] } | undefined
  readonly http?: HttpSettings | undefined
  readonly radius?: RadiusSettings | undefined
  readonly metricsAt?: Endpoint | undefined
  readonly services: readonly Service[]
  /** Names of the ways to people. */
  readonly channels: readonly string[]
}

/** What is wrong although each value alone is right. */
export function checkRules(parts: Parts): Problem[] {
  const { listen = [], firewall, http, radius, metricsAt, services, channels } = parts
  return [
    ...clashing(listen),
    ...(firewall?.backend === 'ipset' ? tooManyForIptables(listen) : []),
    ...(firewall ? firewall.allow.flatMap(allowRules) : []),
    ...(firewall ? allowedNowhere(firewall) : []),
    ...services.flatMap(service => [
      ...(firewall ? openingRules(service, firewall.backend) : []),
      ...lifetimeRules(service),
      ...destinationRules(service),
      ...(firewall ? forwardRules(service, firewall.backend) : []),
      ...loopRules(service),
      ...personalRules(service),
      ...routerRules(service, channels),
      ...approvalRules(service.approval, ['services', service.name, 'approval'], channels, http),
    ]),
    ...guardedTwice(services, listen),
    ...gatesClash(services),
    ...(http ? httpRules(http, services, metricsAt) : []),
    ...(radius ? radiusRules(radius, { knocks: listen, services, channels, http }) : []),
    ...listsClash(services),
  ]
}

function clashing(listen: readonly Endpoint[]): Problem[] {
  return listen.flatMap((endpoint, index) => {
    const other = listen.slice(0, index).find(before => endpointsClash(before, endpoint))
    if (!other) return []
    const texts = `${formatEndpoint(endpoint)} and ${formatEndpoint(other)}`
    return [conflict(['listen', index], `${texts} are the same socket; leave one of them out`)]
  })
}

/** What the `u32` match of iptables compares with at most; `multiport` takes five more. */
const IPTABLES_PORTS_MAX = 10

function tooManyForIptables(listen: readonly Endpoint[]): Problem[] {
  const ports = new Set(listen.map(({ port }) => port)).size
  if (ports <= IPTABLES_PORTS_MAX) return []
  const message = `${ports} ports; with firewall.backend = "ipset" there can be ${IPTABLES_PORTS_MAX}: listen on fewer, or write backend = "nftables"`
  return [conflict(['listen'], message)]
}

/** An allowed network passes every door, so one that holds everybody leaves none. */
function allowRules(network: Network, index: number): Problem[] {
  const length = formatNetwork(network).split('/')[1]
  if (length !== '0') return []
  const text = formatNetwork(network)
  return [
    conflict(['firewall', 'allow', index], `${text} is everybody, so nothing would be closed`),
  ]
}

/** Whoever relied on it would find themselves locked out. */
function allowedNowhere({ backend, allow }: NonNullable<Parts['firewall']>): Problem[] {
  if (allow.length === 0 || guardsPorts(backend)) return []
  const message = `spares these a knock at guarded ports, and firewall.backend = "${backend}" guards none: leave it out`
  return [conflict(['firewall', 'allow'], message)]
}

const guardsPorts = (backend: Backend): boolean => backend === 'nftables' || backend === 'ipset'

/** Every service must have something that opens it, and every port something that closes it. */
function openingRules(service: Service, backend: Backend): Problem[] {
  const { name, ports, gate, exec, permit, routeros } = service
  const at: Path = ['services', name]
  if (ports.length > 0 && !exec && !guardsPorts(backend)) {
    return [
      conflict(
        [...at, 'ports'],
        `nothing guards these with firewall.backend = "${backend}"; write backend = "nftables" there, or gate = { listen = …, forward = … } here instead of ports`,
      ),
    ]
  }
  if (ports.length > 0 || gate || exec || permit || routeros) return []
  const remedy = {
    nftables: 'write ports = ["tcp/22"]',
    ipset: 'write ports = ["tcp/22"]',
    gate: 'write gate = { listen = "0.0.0.0:8443", forward = "127.0.0.1:443" }',
    exec: 'write exec = { open = ["/path/to/program"] }',
    none: 'write gate = { listen = "0.0.0.0:8443", forward = "127.0.0.1:443" }',
  }[backend]
  return [conflict(at, `this service has nothing to open; ${remedy}`)]
}

function lifetimeRules({ name, lifetime, maxLifetime, grows }: Service): Problem[] {
  if (maxLifetime >= lifetime) return []
  if (grows) return [conflict(['services', name, 'lifetime', 'cap'], 'less than base')]
  const message =
    'less than lifetime, which everybody gets who asks for nothing; make it at least that'
  return [conflict(['services', name, 'max_lifetime'], message)]
}

function destinationRules({ name, ports, destination }: Service): Problem[] {
  if (destination.length === 0 || ports.length > 0) return []
  const message =
    'says whose ports are guarded, but there are none; write ports = ["tcp/22"] as well'
  return [conflict(['services', name, 'destination'], message)]
}

/** Every port must lead somewhere, and by one way only. */
function forwardRules(service: Service, backend: Backend): Problem[] {
  const { name, ports, forward, gate, exec, permit, routeros, destination } = service
  if (!forward) return []
  const at = (key: string): Path => ['services', name, key]
  const problems: Problem[] = []
  const others = { gate, exec, permit, routeros, destination: destination.length > 0 }
  for (const [key, present] of Object.entries(others)) {
    if (!present) continue
    problems.push(conflict(at(key), 'cannot be together with forward; make two services of it'))
  }
  if (backend !== 'nftables') {
    const message = `only nftables leads ports on: write backend = "nftables" under [firewall], or gate = { listen = …, forward = … } here`
    return [...problems, conflict(at('forward'), message)]
  }
  if (ports.length === 0) {
    const message = 'says where ports lead, but there are none; write ports = ["tcp/2222"] as well'
    return [...problems, conflict(at('forward'), message)]
  }
  for (const family of [4, 6] as const) {
    const { length } = forward.to.filter(({ address }) => familyOf(address) === family)
    if (length === 0 || length === ports.length) continue
    const ofPorts = ports.length === 1 ? 'the port' : `each of the ${ports.length} ports, in order`
    const message = `has ${length} for IPv${family}; write one for ${ofPorts}, or none`
    problems.push(conflict(at('forward'), message))
  }
  return problems
}

/** Another host may well have the same port; this host's loopback reaches the gate itself. */
function loopRules({ name, gate }: Service): Problem[] {
  if (!gate || !endpointsClash(gate.listen, gate.forward)) return []
  const { host } = gate.forward
  const address = parseAddress(host)
  const self =
    host === gate.listen.host ||
    host === 'localhost' ||
    (address && ['loopback', 'unspecified'].includes(scopeOf(address)))
  if (!self) return []
  const message = 'is where this gate itself listens; write where the service listens'
  return [conflict(['services', name, 'gate', 'forward'], message)]
}

/**
 * What is each user's own is opened and closed for each, whoever else has the same address; a port
 * is open for an address. One service cannot be both.
 */
function personalRules(service: Service): Problem[] {
  if (!isPersonal(service)) return []
  const { name, ports, gate, exec, permit, routeros } = service
  const own = permit ? 'permit' : exec?.perUser ? 'exec.per_user' : 'routeros.group'
  const opens = { ports: ports.length > 0, gate, exec, permit, routeros }
  const shared = Object.entries(opens).find(([key, opens]) => opens && !own.startsWith(key))
  if (!shared) return []
  const message = `opens for an address, ${own} for each user: make two services of it, which one knock can open`
  return [conflict(['services', name, shared[0]], message)]
}

function routerRules(
  { name, routeros, onExpiry }: Service,
  channels: readonly string[],
): Problem[] {
  const opens = routeros?.opens
  if (opens?.kind === 'list' && onExpiry === 'cut') {
    const message = 'cannot be with an address list: the router alone knows its connections'
    return [conflict(['services', name, 'on_expiry'], message)]
  }
  if (opens?.kind !== 'login' || channels.includes(opens.deliver)) return []
  const message = `there is no such way: write [delivery.${opens.deliver}] with mail, ntfy or webhook`
  return [conflict(['services', name, 'routeros', 'deliver'], message)]
}

/** An entry in a list belongs to one service: which one would close it? */
function listsClash(services: readonly Service[]): Problem[] {
  const owners = new Map<string, string>()
  return services.flatMap(({ name, routeros }) => {
    if (routeros?.opens.kind !== 'list') return []
    const list = `${routeros.opens.list} of ${routeros.url}`
    const owner = owners.get(list)
    owners.set(list, owner ?? name)
    if (owner === undefined) return []
    const message = `${list} is that of services.${owner} already; take a list of its own`
    return [conflict(['services', name, 'routeros', 'list'], message)]
  })
}

/** A port belongs to one service: which one would a grant for it be for? */
function guardedTwice(services: readonly Service[], listen: readonly Endpoint[]): Problem[] {
  const owners = new Map(listen.map(({ port }) => [`udp/${port}`, 'the knocks themselves']))
  return services.flatMap(({ name, ports }) =>
    ports.flatMap((port, index) => {
      const text = formatPort(port)
      const owner = owners.get(text)
      owners.set(text, owner ?? `services.${name}`)
      if (!owner) return []
      const message = `${text} belongs to ${owner} already; leave it out here`
      return [conflict(['services', name, 'ports', index], message)]
    }),
  )
}

function gatesClash(services: readonly Service[]): Problem[] {
  const gates = services.flatMap(({ name, gate }) => (gate ? [{ name, listen: gate.listen }] : []))
  return gates.flatMap(({ name, listen }, index) => {
    const other = gates.slice(0, index).find(before => endpointsClash(before.listen, listen))
    if (!other) return []
    const message = `services.${other.name} listens at ${formatEndpoint(other.listen)} already; take another port`
    return [conflict(['services', name, 'gate', 'listen'], message)]
  })
}
