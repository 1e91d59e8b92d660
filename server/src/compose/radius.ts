import { setTimeout as pause } from 'node:timers/promises'
import { type Address, contains, fail, ok, type Result } from '@oneknock/shared'
import type { Config } from '../config.ts'
import { codesOf } from '../core/candidates.ts'
import type { Clock } from '../core/clock.ts'
import type { SecretSource } from '../core/directory.ts'
import type { RadiusClient } from '../core/radius.ts'
import type { State } from '../core/state.ts'
import type { Counters } from '../counters.ts'
import { ownAddresses } from '../host.ts'
import { type RadiusListener, type RadiusPlan, radiusListener } from '../listeners/radius.ts'
import type { Log } from '../log.ts'
import { tryToRead } from '../secrets.ts'
import { logRadius } from './notes.ts'
import type { NamedSecret } from './secret-files.ts'
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
    .of(user)
    .some(
      grant =>
        !over.has(grant) &&
        grant.networks.some(network => contains(network, address)) &&
        (!services || grant.services.some(name => services.includes(name))),
    )
}

/** The settings with their secrets; throws, in words, if one cannot be had or is too weak. */
export async function radiusPlanOf({
  radius,
}: Pick<Config, 'radius'>): Promise<RadiusPlan | undefined> {
  if (!radius) return undefined
  const read = (source: SecretSource, key: string) => {
    const secret = readShared(source)
    if (secret.ok) return secret.value
    throw new Error(`${key}: ${secret.error}`)
  }
  const clients = radius.clients.map(client => ({
    ...client,
    secretBytes: read(client.secret, keyOf(client)),
    upstreamSecretBytes: client.upstream && read(client.upstream.secret, keyOf(client)),
  }))
  return { listen: radius.listen, clients }
}

/** The secrets of its clients, and of the servers behind them. */
export const radiusSecrets = ({ radius }: Pick<Config, 'radius'>): NamedSecret[] =>
  (radius?.clients ?? []).flatMap(client =>
    [client.secret, ...(client.upstream ? [client.upstream.secret] : [])].map(source => ({
      ...{ key: keyOf(client), source, read: readShared },
    })),
  )

const keyOf = ({ name }: RadiusClient): string => `radius.clients.${name}`

/**
 * RFC 2865 section 3 asks for 16. Whoever sees one packet can try secrets against it for as long as
 * they like, millions a second.
 */
const SECRET_MIN = 16

function readShared(source: SecretSource): Result<Uint8Array, string> {
  const text = tryToRead(source)
  if (!text.ok) return text
  const secret = new TextEncoder().encode(text.value)
  if (secret.length >= SECRET_MIN) return ok(secret)
  const place = source.kind === 'file' ? source.path : source.variable
  const remedy = 'make one with: openssl rand -hex 24'
  return fail(`the secret in ${place} has less than ${SECRET_MIN} characters; ${remedy}`)
}
