import {
  type Address,
  ANY,
  ANY_IPV4,
  contains,
  familyOf,
  maskNetwork,
  type Network,
  scopeOf,
} from '@oneknock/shared'
import type { Route, Transport } from './transport.ts'

/** A route, and the address that its packets name. */
export interface NamedRoute {
  readonly route: Route
  readonly named: Network
}

const SINGLE = 128
const ANY_NETWORK: Network = { address: ANY, prefix: SINGLE }
const ANY_IPV4_NETWORK: Network = { address: ANY_IPV4, prefix: SINGLE }

/** NAT64 (RFC 6052): whoever goes there arrives from an IPv4 address that this machine cannot know. */
const NAT64: Network = { address: '64:ff9b::' as Address, prefix: 96 }
/** Addresses that a translator on this machine gives out: 464XLAT (RFC 7335), and proxies' tunnels. */
const TRANSLATED: readonly Network[] = [
  { address: '192.0.0.0' as Address, prefix: 120 },
  { address: '198.18.0.0' as Address, prefix: 111 },
]
/** The part of a private IPv6 address that names its site (RFC 4193 section 3.1). */
const SITE_PREFIX = 48

/**
 * Which routes to knock on, and what to name on each. `::` can open a knock and never join one, so
 * it goes first; behind NAT, IPv4 says `::ffff:0.0.0.0` beside an IPv6 route, since that can join.
 */
export function nameRoutes(
  routes: readonly Route[],
  override: Network | undefined,
  onLink: Transport['onLink'],
): NamedRoute[] {
  const named = routes.map(route => ({ route, named: override ?? ownNetwork(route, onLink) }))
  if (override && !isAny(override)) return onlyOneFamily(named, override)
  return named
    .map(entry =>
      named.length > 1 && isAny(entry.named) && familyOf(entry.route.server) === 4
        ? { ...entry, named: ANY_IPV4_NETWORK }
        : entry,
    )
    .sort((a, b) => Number(isAny(b.named)) - Number(isAny(a.named)))
}

/** The address by which the server sees this machine, or `::` where a NAT may be in between. */
function ownNetwork({ own, server }: Route, onLink: Transport['onLink']): Network {
  return own && isSeenAs(own, server, onLink) ? maskNetwork(own, SINGLE) : ANY_NETWORK
}

function isSeenAs(own: Address, server: Address, onLink: Transport['onLink']): boolean {
  if (contains(NAT64, server) || TRANSLATED.some(network => contains(network, own))) return false
  switch (scopeOf(own)) {
    case 'global':
      return true
    case 'loopback':
      return scopeOf(server) === 'loopback'
    case 'private':
      return isSameSite(own, server) || onLink(own).some(network => contains(network, server))
    default:
      return false
  }
}

/**
 * Private IPv4 networks are routed and translated into one another everywhere (a container's
 * 172.17.0.2 towards 10.0.0.5), so there only the same link counts.
 */
const isSameSite = (own: Address, server: Address): boolean =>
  familyOf(own) === 6 &&
  scopeOf(server) === 'private' &&
  contains(maskNetwork(own, SITE_PREFIX), server)

/** An address given by hand goes out in its own family, where the server can compare it, if it can. */
function onlyOneFamily(named: readonly NamedRoute[], override: Network): NamedRoute[] {
  const family = familyOf(override.address)
  const own = named.filter(({ route }) => familyOf(route.server) === family)
  return own.length > 0 ? own : named.slice(0, 1)
}

const isAny = ({ address, prefix }: Network): boolean => address === ANY && prefix === SINGLE
