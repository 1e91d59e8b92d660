import {
  type Address,
  DETAIL_MAX,
  type Knock,
  maskNetwork,
  type Network,
  type Reason,
  toHex,
} from '@oneknock/shared'
import type { ApprovalSettings, Device, Directory, User } from './directory.ts'
import { isDoor } from './doors.ts'
import type { KnockEvent } from './events.ts'
import { type Burn, checkFactor, type FactorVerdict, type Validation } from './factors.ts'
import { type Grant, NO_GRANT } from './grants.ts'
import { keyIdOf } from './key-id.ts'
import type { Outcome } from './knocks.ts'
import { type Asked, type Decision, decide, type Host, needsFactor, type Permit } from './policy.ts'
import type { State } from './state.ts'
import type { Pending } from './waiting.ts'

/** An invitation that nobody took up for this long is dead: whoever finds it later finds nothing. */
export const TAKE_UP_MS = 24 * 3600_000

/** All that a judgement depends on. */
export interface Circumstances {
  readonly directory: Directory
  readonly host: Host
  readonly state: State
  readonly now: number
  /** 16 random hexadecimal digits. */
  readonly newGrantId: () => string
  /**
   * The hash of a fresh token for a link to this approver, which `asker` has sent; `undefined` if they
   * have sent too many.
   */
  readonly newTokenHash: (approver: string, asker: string) => string | undefined
  /** What the validation servers said of its OTP, if they were asked (`validating.ts`). */
  readonly validation?: Validation | undefined
}

/** A packet that passed steps 1 to 6. */
export interface Heard {
  readonly device: Device
  readonly knock: Knock
  readonly tag: Uint8Array
  readonly source: Address
}

/** Steps 8 and 9: what this knock leads to, as the one line that the ledger will hold. Changes nothing. */
export function judge(heard: Heard, circumstances: Circumstances): KnockEvent {
  const { device, knock } = heard
  const { directory } = circumstances
  const user = directory.users.get(device.user)
  if (!user) return refused(heard, 'locked', '')
  const lock = lockOf(user, device, circumstances)
  if (lock !== undefined) return refused(heard, 'locked', lock)
  if (knock.verb === 'close') return closed(heard, circumstances)

  const factor = factorOf(user, heard, circumstances)
  if (factor && factor.kind !== 'right') return notRight(heard, factor.kind)
  const asker = limited(user, factor?.services)
  const decision = decideNow(asker, knock, heard.source, circumstances)
  return decided(heard, decision, factor?.burn, circumstances)
}

/** What a right code leads to: refused by policy, opened, or pending until somebody says yes. */
export function decided(
  heard: Heard,
  decision: Decision,
  burn: Burn | undefined,
  circumstances: Circumstances,
  demanded?: ApprovalSettings,
): KnockEvent {
  const burnt = burn && { burnt: burn }
  if (decision.kind === 'denial') {
    return { ...refused(heard, decision.reason, decision.detail), ...burnt }
  }
  const approval = decision.approval ?? demanded
  if (!approval) return opened(heard, decision, burn, circumstances)
  const services = decision.services.map(({ name }) => name)
  return {
    ...pending(heard, services, decision.network, approval, burn, circumstances),
    ...burnt,
  }
}

/** The line of a knock that nobody but an approver can open now. */
export function pending(
  heard: Heard,
  services: readonly string[],
  network: Network,
  { channel, approver, timeoutMs }: ApprovalSettings,
  burn: Burn | undefined,
  { now, newGrantId, newTokenHash }: Circumstances,
): KnockEvent {
  const { device, knock, source } = heard
  const asked = approver ?? device.user
  // What strangers do at a door without a key takes nothing from the packet's.
  const asker = isDoor(device.id) ? device.id : device.user
  const tokenHash = newTokenHash(asked, asker)
  if (tokenHash === undefined) return refused(heard, 'locked', 'asked too often; wait a minute')
  const id = newGrantId()
  const waiting: Pending = {
    ...{ id, ...nameOf(device), knock: knock.knockId },
    ...{ services, lifetime: knock.lifetime, network, source, sentAt: knock.sentAt },
    ...shownBy(burn),
    ...{ approver: asked, channel, tokenHash, since: now, until: now + timeoutMs },
  }
  const detail = whoIsAsked(waiting)
  const outcome = { network, lifetime: 0, grant: id, detail }
  return { ...line(heard, { status: 'pending', reason: 'none', ...outcome }), pending: waiting }
}

/** Whom somebody waits for, in the few words that a reply has room for. */
export const whoIsAsked = ({ user, approver, channel }: Pending): string =>
  (approver === user ? channel : `${approver} by ${channel}`).slice(0, DETAIL_MAX)

/** What a factor that is not right leads to. */
export function notRight(heard: Heard, kind: Exclude<FactorVerdict['kind'], 'right'>): KnockEvent {
  switch (kind) {
    case 'wrong':
      return refused(heard, 'wrong-factor', '')
    case 'used':
      return refused(heard, 'factor-used', '')
    case 'unavailable':
      // That is nobody's wrong code.
      return refused(heard, 'state-unavailable', 'no validation server')
  }
}

/** The user as far as a token of theirs goes that opens only some of what they may. */
export const limited = (user: User, services: readonly string[] | undefined): User =>
  services ? { ...user, services: user.services.filter(name => services.includes(name)) } : user

/** The line of a packet that adds an address of the other family to its knock's grant. */
export function join(heard: Heard, grant: Grant, circumstances: Circumstances): KnockEvent {
  const { directory, host, now } = circumstances
  const user = directory.users.get(heard.device.user)
  if (!user || user.locked) return refused(heard, 'locked', '')
  // Asking for all may have opened less, by a token that is limited.
  const asker = limited(user, heard.knock.services.length > 0 ? undefined : grant.services)
  const decision = decide(directory, asker, heard.knock, heard.source, host, now)
  if (decision.kind === 'denial') return refused(heard, decision.reason, decision.detail)
  const joined = { ...grant, networks: [...grant.networks, decision.network] }
  const lifetime = Math.max(0, Math.round((grant.until - now) / 1000))
  return { ...line(heard, outcomeOf(joined, decision.network, lifetime)), grant: joined }
}

export const decideNow = (
  user: User,
  knock: Asked,
  source: Address,
  { directory, host, state, now }: Circumstances,
): Decision =>
  decide(directory, user, knock, source, host, now, network =>
    state.familiarity.visits(user.name, network, now),
  )

/** Why this device may not try at all, in a few words for its owner; `undefined` if it may. */
export function lockOf(
  user: User,
  device: Device,
  { state, now }: Circumstances,
): string | undefined {
  if (user.locked) return 'by the administrator'
  if (!state.isTaken(device) && now - device.enrolledAt > TAKE_UP_MS) return 'invitation too old'
  const until = state.lockout.lockedUntil(device.id, user.name, now)
  return until > 0 ? lockedUntil(until) : undefined
}

export const lockedUntil = (until: number): string =>
  `until ${new Date(until).toISOString().slice(0, 16)}Z`

/** `undefined` if none is needed. A missing code is wrong, but is nobody's guess. */
function factorOf(
  user: User,
  { knock }: Heard,
  { directory, state, now, validation }: Circumstances,
): FactorVerdict | undefined {
  if (!needsFactor(directory, user, knock.services)) return undefined
  return checkFactor(user, knock.factor, now, state.burnt, validation)
}

export function opened(
  heard: Heard,
  permit: Permit,
  burn: Burn | undefined,
  { now, newGrantId }: Circumstances,
): KnockEvent {
  const { device, knock } = heard
  const { id, user } = device
  const keyId = keyIdOf(device)
  const { sentAt } = knock
  const whose = { id: newGrantId(), user, device: id, keyId, factor: burn, sentAt }
  const { outcome, grant, visits } = granted(whose, permit, now)
  return line(heard, outcome, { burnt: burn, grant, visits })
}

/** Whose a grant is, or will be. */
function nameOf(device: Device): Pick<Grant, 'user' | 'device' | 'keyId'> {
  const keyId = keyIdOf(device)
  return { user: device.user, device: device.id, ...(keyId && { keyId }) }
}

const shownBy = (burn: Burn | undefined): Pick<Grant, 'factor'> =>
  burn ? { factor: { kind: burn.kind, id: burn.id } } : {}

/** What a permit gives from now on. */
export function granted(
  whose: Pick<Grant, 'id' | 'user' | 'device' | 'keyId' | 'factor' | 'sentAt'>,
  { services, network, lifetime, visits }: Permit,
  now: number,
): { readonly outcome: Outcome; readonly grant: Grant; readonly visits: number | undefined } {
  const { id, user, device, keyId, factor, sentAt } = whose
  const grant: Grant = {
    id,
    user,
    device,
    keyId,
    factor: isDoor(device) && factor ? { kind: factor.kind, id: factor.id } : undefined,
    services: services.map(({ name }) => name),
    networks: [network],
    sentAt,
    until: now + lifetime * 1000,
  }
  const outcome = outcomeOf(grant, network, lifetime)
  return { outcome, grant, visits }
}

function closed(heard: Heard, { state, newGrantId }: Circumstances): KnockEvent {
  const { device, knock } = heard
  const closings = state.grants.closing(device.id, knock.services, knock.sentAt)
  const first = closings[0]?.grant
  return {
    ...line(heard, {
      status: 'closed',
      reason: 'none',
      network: first?.networks[0] ?? sourceOf(heard),
      lifetime: 0,
      grant: first?.id ?? NO_GRANT,
      detail: listed([...new Set(closings.flatMap(closing => closing.closed))]),
    }),
    ended: closings.map(({ grant }) => grant.id),
    left: closings
      .filter(({ left }) => left.length > 0)
      .map(({ grant, left }) => ({ ...grant, id: newGrantId(), services: left })),
  }
}

export function refused(heard: Heard, reason: Reason, detail: string): KnockEvent {
  return line(heard, {
    status: 'refused',
    reason,
    network: sourceOf(heard),
    lifetime: 0,
    grant: NO_GRANT,
    detail: detail.slice(0, DETAIL_MAX),
  })
}

/**
 * What a good knock leads to is written out in one piece here and in `granted`: to spread one object
 * into another takes the engine longer than a hash. What is `undefined` is in no line of the ledger.
 */
export function line(
  { device, knock, tag, source }: Heard,
  outcome: Outcome,
  { burnt, grant, visits }: Pick<KnockEvent, 'burnt' | 'grant' | 'visits'> = {},
): KnockEvent {
  return {
    event: 'knock',
    tag: toHex(tag),
    device: device.id,
    user: device.user,
    enrolledAt: device.enrolledAt,
    sentAt: knock.sentAt,
    knock: knock.knockId,
    verb: knock.verb,
    source,
    services: knock.services,
    factor: knock.factor.kind,
    outcome,
    burnt,
    grant,
    visits,
  }
}

const outcomeOf = (grant: Grant, network: Network, lifetime: number): Outcome => ({
  status: 'opened',
  reason: 'none',
  network,
  lifetime,
  grant: grant.id,
  detail: listed(grant.services),
})

/** What a refusal says of the address: the one that the server saw. */
export const sourceOf = ({ source }: Heard): Network => maskNetwork(source, 128)

/** As many whole names as the reply has room for, and how many more there are. */
function listed(names: readonly string[]): string {
  const all = names.join(' ')
  if (all.length <= DETAIL_MAX) return all
  let shown = names.length
  const text = () => {
    const rest = names.length - shown
    return [...names.slice(0, shown), ...(rest > 0 ? [`+${rest}`] : [])].join(' ')
  }
  while (text().length > DETAIL_MAX) shown--
  return text()
}
