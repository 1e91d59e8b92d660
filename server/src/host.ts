import { networkInterfaces } from 'node:os'
import { type Address, contains, parseAddress, scopeOf } from '@oneknock/shared'
import type { Clock } from './core/clock.ts'
import type { Endpoint } from './core/directory.ts'
import type { Host } from './core/policy.ts'
import { Gateways } from './gateways.ts'

/** Addresses and routes change seldom, and only someone with a right code makes us look. */
const FRESH_MS = 2000

/** The addresses of this host's interfaces, now. */
export function ownAddresses(): Address[] {
  return Object.values(networkInterfaces())
    .flatMap(addresses => addresses ?? [])
    .flatMap(({ address }) => parseAddress(address) ?? [])
}

/** What policy asks of the machine: its own addresses and gateways, read anew every other second. */
export function systemHost(listen: () => readonly Endpoint[], clock: Clock): Host {
  const gateways = new Gateways(clock)
  let own: readonly Address[] = []
  let readAt = Number.NEGATIVE_INFINITY
  return {
    get listensOnLoopback() {
      return listen().some(({ host }) =>
        ['loopback', 'unspecified'].includes(scopeOf(parseAddress(host)!)),
      )
    },
    isOwn(network) {
      if (clock.monotonic() - readAt > FRESH_MS) {
        own = [...ownAddresses(), ...gateways.list()]
        readAt = clock.monotonic()
      }
      return own.some(address => contains(network, address))
    },
  }
}
