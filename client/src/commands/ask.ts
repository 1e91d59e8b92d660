import { isName, NAME_RULE, type Network, parseNetwork, SERVICES_MAX } from '@oneknock/shared'
import { DURATION_RULE, parseDuration } from '../duration.ts'
import { EXIT, Failure } from '../exit.ts'
import type { KnockOptions } from '../knock.ts'
import { quote } from '../quote.ts'

/** What to ask for, as flags. */
export interface AskFlags {
  readonly lifetime?: string
  readonly address?: string
  readonly wait?: string
}

/** What a command line asks for; a mistake in it is found before anybody is asked for a code. */
export function readAsk(
  profile: { readonly address?: Network },
  services: readonly string[],
  { lifetime, address, wait }: AskFlags,
): KnockOptions {
  const admit = address === undefined ? profile.address : readAddress(address)
  return {
    services: readServices(services),
    ...(lifetime !== undefined && { lifetime: readDuration('--lifetime', lifetime) }),
    ...(wait !== undefined && { patience: readDuration('--wait', wait) * 1000 }),
    ...(admit && { address: admit }),
  }
}

function readServices(services: readonly string[]): readonly string[] {
  const wrong = services.find(service => !isName(service))
  if (wrong !== undefined) throw usage(`${quote(wrong)} is no name of a service: ${NAME_RULE}`)
  if (services.join(' ').length > SERVICES_MAX) {
    throw usage('more names of services than one packet holds: knock twice, or name none for all')
  }
  return services
}

function readDuration(flag: string, text: string): number {
  const seconds = parseDuration(text)
  if (seconds === undefined) throw usage(`${flag} ${quote(text)}: give ${DURATION_RULE}`)
  return seconds
}

function readAddress(text: string): Network {
  const network = parseNetwork(text)
  if (network) return network
  const examples = '203.0.113.7, 203.0.113.0/24, 2001:db8::/64, or :: for what the server sees'
  throw usage(`--address ${quote(text)}: give ${examples}`)
}

const usage = (message: string): Failure => new Failure(EXIT.usage, message)
