import { setTimeout as pause } from 'node:timers/promises'
import { type Address, contains } from '@oneknock/shared'
import type { Config } from '../config.ts'
import { codesOf } from '../core/candidates.ts'
import type { Clock } from '../core/clock.ts'
import type { SecretSource } from '../core/directory.ts'
import type { State } from '../core/state.ts'
import type { Counters } from '../counters.ts'
import { ownAddresses } from '../host.ts'
import { type RadiusListener, type RadiusPlan, radiusListener } from '../listeners/radius.ts'
import type { Log } from '../log.ts'
import { readSecret } from '../secrets.ts'
import { logRadius } from './notes.ts'
import type { Settings } from './settings.ts'

export interface RadiusParts {
  readonly settings: () => Settings
  readonly state: State
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
  readonly counters: Counters
  readonly log: Log
}

/** The RADIUS door, which does nothing until it is configured. */
export function makeRadius(parts: RadiusParts): RadiusListener {
  const { settings, state, clock, random, counters, log } = parts
  return radiusListener({
    clock,
    random,
    ownAddresses,
    // A Reject that nobody waits for any more must not keep a daemon from its end.
    pause: ms => pause(ms, undefined, { ref: false }),
    codesOf: user => codesOf(settings().directory.users.get(user), clock.now()),
    hasGrant: (user, address, services) => hasGrant(state, user, address, services),
    report: note => logRadius(log, note),
    count: what => counters.countDoor('radius', what),
  })
}

/** One of them is enough; the grants that a hook still closes do not count. */
function hasGrant(
  { grants }: State,
  user: string,
  address: Address,
  services: readonly string[] | undefined,
): boolean {
  const over = new Set(grants.expired())
  return grants
    .list()
    .some(
      grant =>
        grant.user === user &&
        !over.has(grant) &&
        grant.networks.some(network => contains(network, address)) &&
        (!services || grant.services.some(name => services.includes(name))),
    )
}

/** The settings with their secrets; throws, in words, if one cannot be had or is too weak. */
export async function radiusPlanOf({
  radius,
}: Pick<Config, 'radius'>): Promise<RadiusPlan | undefined> {
  return (
    radius && {
      listen: radius.listen,
      clients: radius.clients.map(client => ({
        ...client,
        secretBytes: readShared(client.secret, `radius.clients.${client.name}`),
        upstreamSecretBytes:
          client.upstream &&
          readShared(client.upstream.secret, `radius.clients.${client.name}.upstream`),
      })),
    }
  )
}

/**
 * RFC 2865 section 3 asks for 16. Whoever sees one packet can try secrets against it for as long as
 * they like, millions a second.
 */
const SECRET_MIN = 16

function readShared(source: SecretSource, key: string): Uint8Array {
  const secret = new TextEncoder().encode(readSecret(source))
  if (secret.length >= SECRET_MIN) return secret
  const remedy = 'make one with: openssl rand -hex 24'
  throw new Error(`${key}: the secret has less than ${SECRET_MIN} characters; ${remedy}`)
}
