import {
  type Address,
  type Factor,
  type Knock,
  type Network,
  TOTP_SECRET_BYTES,
} from '@oneknock/shared'
import type { ApprovalSettings, User } from './directory.ts'
import { doorDevice } from './doors.ts'
import type { KnockEvent } from './events.ts'
import { type Burn, checkFactor } from './factors.ts'
import { NO_GRANT } from './grants.ts'
import {
  type Circumstances,
  decided,
  decideNow,
  type Heard,
  limited,
  line,
  lockedUntil,
  notRight,
  pending,
  refused,
  sourceOf,
} from './judge.ts'
import type { Outcome } from './knocks.ts'
import type { Decision } from './policy.ts'
import { RECOVERY_CODES, RECOVERY_HASH_BYTES, RECOVERY_SALT_BYTES } from './recovery.ts'

/** Someone at a door without a key, so with a budget of their own for each user and door. */
export interface Claimed {
  /** The door's name, `[a-z]+`: it stands in the ledger where a packet's device would. */
  readonly door: string
  readonly user: string
  readonly factor: Factor
  /** What to open; empty = all that the user may; `undefined` = nothing, only look at the factor. */
  readonly services: readonly string[] | undefined
  /** All that this door may open, whatever the user may; absent: no bound of its own. */
  readonly among?: readonly string[] | undefined
  /** Seconds; 0 = the service's default. */
  readonly lifetime: number
  /** The address to admit, which the door vouches for. */
  readonly source: Address
  /** A yes to wait for, where the services demand none themselves; then the verdict is pending. */
  readonly approval?: DoorApproval | undefined
  /** 16 random hexadecimal digits. */
  readonly knockId: string
}

export interface DoorApproval extends ApprovalSettings {
  /** No code is looked at: the door has seen something else of theirs that is right, such as a password. */
  readonly insteadOfCode?: boolean
}

/**
 * The same judgement for someone without a key: a code is always needed, unless the door asks for a
 * yes instead; and the door's own budget counts. Whoever is unknown is told what a wrong code is
 * told, after the same work; and neither they nor whoever is locked leave a line, since strangers
 * could write as many as they like. Such an outcome comes without an event.
 */
export function judgeClaim(claim: Claimed, circumstances: Circumstances): KnockEvent | Outcome {
  const { directory, state, now } = circumstances
  const asked = claimed(claim, now)
  const user = directory.users.get(claim.user)
  if (!user || user.locked) {
    checkFactor(NOBODY, claim.factor, now, state.burnt)
    return refused(asked, 'wrong-factor', '').outcome
  }
  const { device } = asked
  const until = state.lockout.lockedUntil(device.id, device.id, now)
  if (until > 0) return refused(asked, 'locked', lockedUntil(until)).outcome
  if (claim.approval?.insteadOfCode) {
    return claimDecided(claim, user, asked, undefined, circumstances)
  }
  const factor = checkFactor(user, claim.factor, now, state.burnt, circumstances.validation)
  if (factor.kind !== 'right') return notRight(asked, factor.kind)
  if (!claim.services && factor.services) {
    // Whoever only has it looked at opens something of their own with it, which is none of these.
    return { ...refused(asked, 'service', ''), burnt: factor.burn }
  }
  return claimDecided(claim, limited(user, factor.services), asked, factor.burn, circumstances)
}

function claimDecided(
  claim: Claimed,
  user: User,
  asked: Heard,
  burn: Burn | undefined,
  circumstances: Circumstances,
): KnockEvent {
  const { services, approval } = claim
  if (services) {
    const decision = decideClaim(user, asked.knock, claim, circumstances)
    return decided(asked, decision, burn, circumstances, approval)
  }
  const event = approval
    ? pending(asked, [], sourceOf(asked), approval, burn, circumstances)
    : line(asked, verified(sourceOf(asked)))
  return { ...event, verb: 'verify', ...(burn && { burnt: burn }) }
}

/** Policy within what the door may open: to it, the rest of the user's services are not there. */
function decideClaim(
  user: User,
  knock: Knock,
  { among, source }: Claimed,
  circumstances: Circumstances,
): Decision {
  const services = among ? user.services.filter(name => among.includes(name)) : user.services
  return decideNow({ ...user, services }, knock, source, circumstances)
}

/** A claim in the form of a packet's, as far as the lines of the ledger go. */
function claimed(
  { door, user, factor, services, lifetime, source, knockId }: Claimed,
  now: number,
): Heard {
  const id = doorDevice(user, door)
  return {
    device: { user, label: `@${door}`, id, key: NO_BYTES, enrolledAt: 0 },
    knock: {
      verb: 'open',
      factor,
      lifetime,
      sentAt: now,
      knockId,
      address: source,
      prefix: 128,
      services: services ?? [],
    },
    tag: NO_BYTES,
    source,
  }
}

const NO_BYTES = new Uint8Array()

/** Whose factor is checked when there is no such user, so that the time taken tells nothing. */
const NOBODY: User = {
  name: '',
  services: [],
  devices: [],
  totp: { id: '', secret: new Uint8Array(TOTP_SECRET_BYTES) },
  recovery: Array.from({ length: RECOVERY_CODES }, () => ({
    id: '',
    salt: new Uint8Array(RECOVERY_SALT_BYTES),
    hash: new Uint8Array(RECOVERY_HASH_BYTES),
  })),
  otherAddress: false,
  locked: true,
}

/** What came of looking at a code alone. */
export const verified = (network: Network): Outcome => ({
  status: 'opened',
  reason: 'none',
  network,
  lifetime: 0,
  grant: NO_GRANT,
  detail: '',
})
