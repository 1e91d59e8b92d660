import { familyOf, familyPrefix, formatNetwork } from '@oneknock/shared'
import type { Opening } from '../../core/openings.ts'
import { type Blank, fillIn } from '../../core/template.ts'

export type ExecEvent = 'open' | 'close'

/** The daemon's own is not passed on: what a command finds must not depend on who started the daemon. */
export const COMMAND_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** What to run for an opening, and all that it is told; `left` in milliseconds. */
export function commandFor(
  argv: readonly string[],
  event: ExecEvent,
  opening: Opening,
  left: number,
): { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  const values = valuesOf(event, opening, left)
  const named = Object.entries(values).map(([name, text]) => [
    `ONEKNOCK_${name.toUpperCase()}`,
    text,
  ])
  return { argv: fillIn(argv, values), env: { PATH: COMMAND_PATH, ...Object.fromEntries(named) } }
}

const valuesOf = (
  event: ExecEvent,
  { service, network, user, until }: Opening,
  left: number,
): Partial<Record<Blank, string>> => ({
  event,
  service,
  address: network.address,
  prefix: String(familyPrefix(network)),
  network: formatNetwork(network),
  family: String(familyOf(network.address)),
  until: String(Math.floor(until / 1000)),
  // Rounded up: a timeout of 0 means "for ever" to more than one firewall.
  lifetime: String(Math.max(0, Math.ceil(left / 1000))),
  ...(user !== undefined && { user }),
})
