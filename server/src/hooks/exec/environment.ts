import { familyOf, familyPrefix, formatNetwork } from '@oneknock/shared'
import type { Opening } from '../../core/openings.ts'

export type ExecEvent = 'open' | 'close'

/** The daemon's own is not passed on: what a command finds must not depend on who started the daemon. */
export const COMMAND_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** All that a command is told; `left` in milliseconds. */
export function environment(
  event: ExecEvent,
  { service, network, until }: Opening,
  left: number,
): Record<string, string> {
  return {
    PATH: COMMAND_PATH,
    ONEKNOCK_EVENT: event,
    ONEKNOCK_SERVICE: service,
    ONEKNOCK_ADDRESS: network.address,
    ONEKNOCK_PREFIX: String(familyPrefix(network)),
    ONEKNOCK_NETWORK: formatNetwork(network),
    ONEKNOCK_FAMILY: String(familyOf(network.address)),
    ONEKNOCK_UNTIL: String(Math.floor(until / 1000)),
    // Rounded up: a timeout of 0 means "for ever" to more than one firewall.
    ONEKNOCK_LIFETIME: String(Math.max(0, Math.ceil(left / 1000))),
  }
}
