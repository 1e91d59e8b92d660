import { containsNetwork, formatNetwork, type Network } from '@oneknock/shared'
import type { Endpoint } from '../../core/directory.ts'

/** One person's keys, from one network, to these destinations, until then. */
export interface Permission {
  readonly user: string
  readonly keys: readonly string[]
  readonly network: Network
  readonly to: readonly Endpoint[]
  /** Milliseconds since the Unix epoch. */
  readonly until: number
}

/**
 * What every line has besides its own. `restrict` takes away all but what follows it; the forced
 * command leaves no shell, since whoever has one could write this very file, or call any host from
 * here. Without `permitlisten` anybody with `port-forwarding` may listen on this host (`ssh -R`).
 */
const ALWAYS =
  'restrict,port-forwarding,permitlisten="127.0.0.1:1",command="echo forwards only: use ssh -N; exit 1"'

/**
 * The lines of an authorized_keys file that give these permissions and no other. sshd takes the
 * first line that has the key, the address and the time, and looks at no further one. So each line
 * holds all that its key may do from there then: networks inside others come first and have the
 * outer ones' destinations too, and what ends sooner is followed by a line without it.
 */
export function keyLines(permissions: readonly Permission[]): string[] {
  const byKey = new Map<string, Permission[]>()
  for (const permission of permissions) {
    for (const key of permission.keys) byKey.set(key, [...(byKey.get(key) ?? []), permission])
  }
  return [...byKey].flatMap(([key, ofKey]) =>
    networksOf(ofKey).flatMap(network => linesFrom(key, network, ofKey)),
  )
}

function networksOf(permissions: readonly Permission[]): Network[] {
  const networks = new Map(permissions.map(({ network }) => [formatNetwork(network), network]))
  return [...networks.values()].sort((a, b) => b.prefix - a.prefix)
}

function linesFrom(key: string, network: Network, permissions: readonly Permission[]): string[] {
  const here = permissions.filter(outer => containsNetwork(outer.network, network))
  const own = here.filter(outer => formatNetwork(outer.network) === formatNetwork(network))
  const last = Math.max(...own.map(secondOf))
  // Later the outer networks' own lines do.
  const ends = [...new Set(here.map(secondOf))].filter(end => end <= last).sort((a, b) => a - b)
  return ends.map(end => {
    const living = here.filter(permission => secondOf(permission) >= end)
    const to = [...new Set(living.flatMap(permission => permission.to.map(destination)))]
    const users = [...new Set(living.map(({ user }) => user))]
    const options = [
      ALWAYS,
      `from="${formatNetwork(network)}"`,
      ...to.map(text => `permitopen="${text}"`),
      `expiry-time="${sshTime(end)}"`,
    ]
    return `${options.join(',')} ${key} oneknock:${users.join(',')}`
  })
}

/** sshd counts in seconds; rounded down, so that nothing lasts longer than granted. */
const secondOf = ({ until }: Permission): number => Math.floor(until / 1000)

/** In UTC, and said so with the Z: without it sshd reads its own zone's time. */
const sshTime = (second: number): string =>
  `${new Date(second * 1000).toISOString().replace(/\.\d+Z$|[-:T]/g, '')}Z`

const destination = ({ host, port }: Endpoint): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
