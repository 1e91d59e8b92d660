import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import {
  ADDRESS_BYTES,
  type Address,
  contains,
  fromHex,
  parseAddress,
  readAddress,
  scopeOf,
} from '@oneknock/shared'
import type { Clock } from './core/clock.ts'
import type { Endpoint } from './core/directory.ts'
import type { Host } from './core/policy.ts'

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
        own = [...ownAddresses(), ...gateways()]
        readAt = clock.monotonic()
      }
      return own.some(address => contains(network, address))
    },
  }
}

/** The next hops of this host's routes; none where the kernel does not tell them this way. */
export function gateways(): Address[] {
  return [
    ...rows('/proc/net/route').flatMap(row => ipv4FromRoute(row[2] ?? '') ?? []),
    ...rows('/proc/net/ipv6_route').flatMap(row => ipv6FromRoute(row[4] ?? '') ?? []),
  ].filter(address => scopeOf(address) !== 'unspecified')
}

function rows(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map(line => line.trim().split(/\s+/))
  } catch {
    return []
  }
}

/** Eight hexadecimal digits of a number in the machine's byte order: little-endian wherever Node runs. */
function ipv4FromRoute(hex: string): Address | undefined {
  const bytes = fromHex(hex)
  return bytes?.length === 4 ? parseAddress([...bytes].reverse().join('.')) : undefined
}

function ipv6FromRoute(hex: string): Address | undefined {
  const bytes = fromHex(hex)
  return bytes?.length === ADDRESS_BYTES ? readAddress(bytes, 0) : undefined
}
