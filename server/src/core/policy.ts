import {
  type Address,
  type AddressScope,
  ANY,
  ANY_IPV4,
  contains,
  containsNetwork,
  familyOf,
  type Knock,
  maskNetwork,
  type Network,
  type Reason,
  scopeOf,
} from '@oneknock/shared'
import type { ApprovalSettings, Device, Directory, Service, User } from './directory.ts'
import { isDoor } from './doors.ts'
import { holds } from './factors.ts'
import { grownLifetime } from './familiarity.ts'
import type { Grant } from './grants.ts'
import { keyIdOf } from './key-id.ts'
import { openFor } from './schedule.ts'

/** What policy must know of the machine. */
export interface Host {
  /** Whether one of the host's own addresses, or of its gateways', is in there. */
  isOwn(network: Network): boolean
  /** Whether knocks are listened for on loopback, so that loopback may be admitted. */
  readonly listensOnLoopback: boolean
}

export interface Permit {
  readonly kind: 'permit'
  readonly services: readonly Service[]
  readonly network: Network
  /** Seconds. */
  readonly lifetime: number
  /** How often they came before, if a service's lifetime depends on it. */
  readonly visits: number | undefined
  /** Who must say yes first. */
  readonly approval: ApprovalSettings | undefined
}

export interface Denial {
  readonly kind: 'denial'
  readonly reason: Extract<Reason, 'service' | 'address' | 'schedule'>
  /** Which service, or empty. */
  readonly detail: string
}

export type Decision = Permit | Denial

const denial = (reason: Denial['reason'], detail = ''): Denial => ({
  kind: 'denial',
  reason,
  detail,
})

/** What of a knock policy looks at. */
export type Asked = Pick<Knock, 'services' | 'lifetime' | 'address' | 'prefix'>

/** Step 9: what this user gets of what this knock asks. */
export function decide(
  directory: Directory,
  user: User,
  knock: Asked,
  source: Address,
  host: Host,
  nowMs: number,
  visitsFrom: (network: Network) => number = () => 0,
): Decision {
  const services = servicesAsked(directory, user, knock.services)
  if (!Array.isArray(services)) return services
  const network = networkAsked(user, services, knock, source, host)
  if (!('address' in network)) return network
  const left = scheduleLeft(user, services, nowMs)
  if (typeof left !== 'number') return left
  const approval = approvalOf(user, services)
  if (approval?.kind === 'denial') return approval
  const visits = services.some(({ grows }) => grows) ? visitsFrom(network) : undefined
  let lifetime = Math.min(user.maxLifetime ?? Number.POSITIVE_INFINITY, left)
  for (const service of services) {
    lifetime = Math.min(lifetime, lifetimeOf(service, knock.lifetime, visits ?? 0))
  }
  return { kind: 'permit', services, network, lifetime, visits, approval: approval?.settings }
}

/** Whom one yes must come from for all of the services; a denial if it would have to be several people. */
function approvalOf(
  user: User,
  services: readonly Service[],
): { readonly kind: 'approval'; readonly settings: ApprovalSettings } | Denial | undefined {
  let settings: ApprovalSettings | undefined
  for (const { name, approval } of services) {
    if (!approval) continue
    if (settings && !asksTheSame(user.name, settings, approval)) {
      return denial('service', `${name} with others`)
    }
    const timeoutMs = Math.min(settings?.timeoutMs ?? approval.timeoutMs, approval.timeoutMs)
    settings = { ...approval, timeoutMs }
  }
  return settings && { kind: 'approval', settings }
}

const asksTheSame = (user: string, one: ApprovalSettings, other: ApprovalSettings): boolean =>
  one.channel === other.channel && (one.approver ?? user) === (other.approver ?? user)

/** Whole seconds until the first schedule closes; a denial if one is closed already. */
function scheduleLeft(user: User, services: readonly Service[], nowMs: number): number | Denial {
  let left = Number.POSITIVE_INFINITY
  for (const { name, schedule } of [{ name: '', schedule: user.schedule }, ...services]) {
    if (!schedule) continue
    const seconds = Math.floor(openFor(schedule, nowMs) / 1000)
    if (seconds === 0) return denial('schedule', name)
    left = Math.min(left, seconds)
  }
  return left
}

/** A lifetime that grows cannot be asked for before its time; less can always be. */
function lifetimeOf(service: Service, asked: number, visits: number): number {
  if (!service.grows) return Math.min(asked || service.lifetime, service.maxLifetime)
  const grown = grownLifetime(service, visits)
  return Math.min(asked || grown, grown)
}

/** Whether a knock for these services must carry a code: always, unless every one says otherwise. */
export function needsFactor(directory: Directory, user: User, names: readonly string[]): boolean {
  const services = servicesAsked(directory, user, names)
  return !Array.isArray(services) || services.some(service => service.factor === 'required')
}

/** Which of a grant's services its user may still open from that device; all of them, usually. */
export function stillAllowed(
  directory: Directory,
  grant: Whose & Pick<Grant, 'factor' | 'services'>,
): readonly string[] {
  const user = stillIn(directory, grant)
  const isTheirs = user && (!grant.factor || holds(user, grant.factor))
  if (!isTheirs) return []
  const { services } = directory
  return grant.services.filter(name => services.has(name) && user.services.includes(name))
}

/** The user, unless they are gone, locked, or without that device by now. */
export function stillIn({ users }: Directory, grant: Whose): User | undefined {
  const user = users.get(grant.user)
  if (!user || user.locked) return undefined
  const isTheirs = isDoor(grant.device) || user.devices.some(device => isHeldBy(grant, device))
  return isTheirs ? user : undefined
}

type Whose = Pick<Grant, 'user' | 'device' | 'keyId'>

/** A label that has got another key by now is another device's. */
const isHeldBy = ({ device, keyId }: Whose, held: Device): boolean =>
  held.id === device && (keyId === undefined || keyId === keyIdOf(held))

function servicesAsked(
  { services }: Directory,
  user: User,
  names: readonly string[],
): Service[] | Denial {
  const asked = names.length > 0 ? eachOnce(names) : user.services
  const found: Service[] = []
  for (const name of asked) {
    const service = user.services.includes(name) ? services.get(name) : undefined
    if (!service) return denial('service', name)
    found.push(service)
  }
  return found.length > 0 ? found : denial('service')
}

/** Most ask for one. */
const eachOnce = (names: readonly string[]): readonly string[] =>
  names.length > 1 ? [...new Set(names)] : names

function networkAsked(
  user: User,
  services: readonly Service[],
  knock: Asked,
  source: Address,
  host: Host,
): Network | Denial {
  const explicit = knock.address !== ANY && knock.address !== ANY_IPV4
  if (knock.address === ANY_IPV4 && familyOf(source) !== 4) return denial('address')
  const address = explicit ? knock.address : source
  const family = familyOf(address)
  // Only now is the family known, so only now whether the length leaves its mapped bits alone.
  if (family === 4 && knock.prefix < 96) return denial('address')

  const network = maskNetwork(address, knock.prefix)
  const foreign = explicit && family === familyOf(source) && !contains(network, source)
  if (foreign && !user.otherAddress) return denial('address')
  const scope = scopeOf(address)
  if (!mayBeAdmitted(scope, source, host)) return denial('address')
  // A prefix may begin elsewhere: `::2/32` holds `::` and `::1`.
  if (!mayBeAdmitted(scopeOf(network.address), source, host)) return denial('address')
  if (!isWithin(user.networks, network)) return denial('address')
  for (const service of services) {
    const shortest = family === 4 ? service.maxPrefix.ipv4 : service.maxPrefix.ipv6
    const refused =
      network.prefix < shortest ||
      !isWithin(service.networks, network) ||
      (service.requireAddress && !explicit) ||
      (!service.behindProxy && scope !== 'loopback' && host.isOwn(network))
    if (refused) return denial('address', service.name)
  }
  return network
}

const isWithin = (allowed: readonly Network[] | undefined, network: Network): boolean =>
  !allowed || allowed.some(outer => containsNetwork(outer, network))

function mayBeAdmitted(scope: AddressScope, source: Address, host: Host): boolean {
  switch (scope) {
    case 'global':
    case 'private':
      return true
    case 'loopback':
      // Whoever comes from elsewhere has nothing to do there, and behind a proxy everybody would.
      return host.listensOnLoopback && scopeOf(source) === 'loopback'
    case 'unspecified':
    case 'multicast':
    case 'link-local':
      return false
  }
}
