import type { Claimed } from './claims.ts'
import type { Device } from './directory.ts'
import { doorDevice } from './doors.ts'
import { otpToValidate } from './factors.ts'
import { type Circumstances, type Heard, lockOf } from './judge.ts'
import { needsFactor } from './policy.ts'

/**
 * Which OTPs a validation server must be asked about before a knock is judged: none of anybody who is
 * locked, none that was used here, and none where no code is needed.
 */

export function packetOtp({ device, knock }: Heard, now: Circumstances): string | undefined {
  // Nothing else is ever asked about, so nobody else waits for the rest.
  if (knock.factor.kind !== 'yubikey') return undefined
  const user = now.directory.users.get(device.user)
  if (!user || knock.verb === 'close' || lockOf(user, device, now) !== undefined) return undefined
  if (!needsFactor(now.directory, user, knock.services)) return undefined
  return otpToValidate(user, knock.factor, now.state.burnt)
}

/** The same for someone at a door without a key. */
export function claimOtp(
  claim: Pick<Claimed, 'user' | 'door' | 'factor' | 'approval'>,
  { directory, state, now }: Circumstances,
): string | undefined {
  if (claim.approval?.insteadOfCode) return undefined
  const user = directory.users.get(claim.user)
  const door = doorDevice(claim.user, claim.door)
  if (!user || user.locked || state.lockout.lockedUntil(door, door, now) > 0) return undefined
  return otpToValidate(user, claim.factor, state.burnt)
}

/** Whether the device is still its user's, with the same key: a reload may have come in between. */
export function isStill(device: Device, { directory }: Circumstances): boolean {
  const same = directory.users.get(device.user)?.devices.find(({ id }) => id === device.id)
  return (
    same?.enrolledAt === device.enrolledAt && same.key.every((byte, i) => byte === device.key[i])
  )
}
