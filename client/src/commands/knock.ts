import { isName, NAME_RULE, type Network, parseNetwork, SERVICES_MAX } from '@oneknock/shared'
import { type CodeError, codeSource, obtainFactor } from '../codes.ts'
import { DURATION_RULE, parseDuration } from '../duration.ts'
import { EXIT, type Exit, Failure } from '../exit.ts'
import { type KnockEvent, type KnockOptions, knock } from '../index.ts'
import { say, sayJson, warn } from '../output.ts'
import type { Profile } from '../profile.ts'
import { quote } from '../quote.ts'
import { clockWarning, jsonReport, type Knocked, report } from '../report.ts'
import { mustLoad } from './load.ts'

export interface KnockFlags {
  /** `false`: `--no-otp`. */
  readonly otp?: string | false
  readonly otpCommand?: string
  readonly lifetime?: string
  readonly address?: string
  readonly wait?: string
  readonly json?: boolean
}

export async function knockCommand(
  name: string,
  services: readonly string[],
  flags: KnockFlags,
): Promise<Exit> {
  const profile = mustLoad(name)
  // Before the code is asked for: a person types one for nothing only once.
  const options = readFlags(profile, services, flags)
  const factor = await obtainFactor(codeSource(flags, profile), name)
  if (!factor.ok) throw codeFailure(factor.error)
  return knockAndTell(name, profile, { ...options, factor: factor.value }, flags.json === true)
}

export async function closeCommand(
  name: string,
  services: readonly string[],
  flags: Pick<KnockFlags, 'json'>,
): Promise<Exit> {
  const profile = mustLoad(name)
  const options: KnockOptions = { ...readFlags(profile, services, {}), verb: 'close' }
  return knockAndTell(name, profile, options, flags.json === true)
}

async function knockAndTell(
  name: string,
  profile: Profile,
  options: KnockOptions,
  json: boolean,
): Promise<Exit> {
  const { host, port, key } = profile
  const knocked: Knocked = { name, host, port, verb: options.verb ?? 'open' }
  const result = await knock(
    { host, port, key: key.bytes },
    { ...options, on: event => tellOfWaiting(event, knocked, json) },
  )
  const warning = clockWarning(result)
  if (warning) warn(`warning: ${warning}`)
  const { exit, line } = report(result, knocked)
  if (json) sayJson(jsonReport(result, knocked))
  else if (exit === EXIT.opened) say(line)
  else warn(line)
  return exit
}

/** The one event worth a line: from here on it is up to somebody else. */
function tellOfWaiting(event: KnockEvent, { name }: Knocked, json: boolean): void {
  if (event.type !== 'reply' || event.status !== 'pending') return
  const { status, detail } = event
  if (json) sayJson({ target: name, status, detail })
  else warn(`waiting for somebody to approve${detail && ` (${detail})`}; ^C stops waiting`)
}

function readFlags(
  profile: Profile,
  services: readonly string[],
  { lifetime, address, wait }: KnockFlags,
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

const codeFailure = ({ code, message }: CodeError): Failure => {
  switch (code) {
    case 'interrupted':
      return new Failure(EXIT.interrupted, message)
    case 'command-failed':
      return new Failure(EXIT.profile, message)
    case 'not-a-code':
    case 'nobody-to-ask':
      return usage(message)
  }
}
