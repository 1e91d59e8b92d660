import { type Address, contains, type Network, parseAddress, scopeOf } from '@oneknock/shared'

/** Where a request comes from, or why that cannot be said. */
export type Origin =
  | { readonly kind: 'known'; readonly address: Address }
  /** A trusted proxy does not say for whom it asks, or says it in two ways. */
  | { readonly kind: 'unsaid' }
  /** A proxy on this very host that the configuration does not name: everybody would come from here. */
  | { readonly kind: 'unnamed-proxy' }

/** As sockets say it; IPv4-mapped is IPv4, and a zone is no part of an address. */
export const peerAddress = (text: string | undefined): Address | undefined =>
  parseAddress((text ?? '').replace(/%.*$/, ''))

export const isTrusted = (address: Address, trusted: readonly Network[]): boolean =>
  trusted.some(network => contains(network, address))

/**
 * The address that counts. Of a proxy's list, read from the right, the first that is no trusted proxy
 * itself: what stands further left anybody can have written. `X-Forwarded-For` and `Forwarded`
 * (RFC 7239) must agree where both are there, since a proxy that writes one passes the other on.
 */
export function originOf(
  peer: Address,
  trusted: readonly Network[],
  header: (name: string) => string,
): Origin {
  const lists = [xForwardedFor(header('x-forwarded-for')), forwarded(header('forwarded'))]
  const said = lists.filter(list => list.length > 0)
  if (!isTrusted(peer, trusted)) {
    const isStray = said.length > 0 && scopeOf(peer) === 'loopback'
    return isStray ? { kind: 'unnamed-proxy' } : { kind: 'known', address: peer }
  }
  const [first, second] = said.map(list => nearestStranger(list, trusted))
  if (!first || (said.length > 1 && first !== second)) return { kind: 'unsaid' }
  return { kind: 'known', address: first }
}

/** `undefined` where a hop is no address: what is left of it cannot be relied on. */
function nearestStranger(
  hops: readonly string[],
  trusted: readonly Network[],
): Address | undefined {
  let nearest: Address | undefined
  for (const hop of hops.toReversed()) {
    nearest = hopAddress(hop)
    if (!nearest || !isTrusted(nearest, trusted)) break
  }
  return nearest
}

const xForwardedFor = (text: string): string[] =>
  text === '' ? [] : text.split(',').map(hop => hop.trim())

/** The `for` of each element, empty where there is none. */
const forwarded = (text: string): string[] =>
  text === ''
    ? []
    : text.split(',').map(element => {
        const pairs = element.split(';').map(pair => pair.trim())
        const value = pairs.find(pair => /^for=/i.test(pair))?.slice('for='.length) ?? ''
        return value.replace(/^"(.*)"$/, '$1')
      })

/** `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]:4711`. */
function hopAddress(hop: string): Address | undefined {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(hop)?.[1]
  const bare = bracketed ?? /^([\d.]+):\d{1,5}$/.exec(hop)?.[1] ?? hop
  return parseAddress(bare)
}
