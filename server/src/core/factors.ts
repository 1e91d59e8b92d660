import { equalMask, type Factor, matchTotp } from '@oneknock/shared'
import {
  isOnline,
  type OnlineYubiKey,
  type RecoveryCode,
  type TotpFactor,
  type User,
  type YubiKey,
} from './directory.ts'
import { elementsOf, membersOf, type Recorded } from './recorded.ts'
import { hashRecoveryCode } from './recovery.ts'
import { SteadyMap } from './steady.ts'
import { otpName, parseYubiKeyOtp, yubiKeyCounter } from './yubikey.ts'

/**
 * What was used up: a time step of a secret or a touch of a token (and all before it), a recovery
 * code, or an OTP that a validation server said yes to, by its hash.
 */
export type Burn =
  | { readonly kind: 'totp'; readonly id: string; readonly step: number }
  | { readonly kind: 'yubikey'; readonly id: string; readonly counter: number }
  | { readonly kind: 'recovery'; readonly id: string }
  | { readonly kind: 'validated'; readonly id: string; readonly otp: string }

/** What the validation servers said of an OTP; `unavailable` if none gave a valid answer. */
export type Validation = 'right' | 'wrong' | 'used' | 'unavailable'

/**
 * OTPs of an online token that are remembered, 16 digits each. A validation server refuses what is
 * older than the last it accepted; this is for the one that cannot remember, and a hundred touches
 * reach back days.
 */
export const VALIDATED_MAX = 100

export type FactorVerdict =
  | {
      readonly kind: 'right'
      readonly burn: Burn
      /** All that it opens, of what its owner may; absent: whatever they may. */
      readonly services?: readonly string[] | undefined
    }
  | { readonly kind: 'wrong' | 'used' | 'unavailable' }

/** What a checkpoint holds of it. */
export interface BurntRecord {
  readonly steps: Readonly<Record<string, number>>
  readonly touches: Readonly<Record<string, number>>
  readonly recovery: readonly string[]
  /** By token, oldest first; not there in what earlier versions wrote. */
  readonly validated?: Readonly<Record<string, readonly string[]>>
}

/**
 * The codes that have been used, by their secret: whichever device, service or listener they came
 * through (RFC 6238 section 5.2: a code is accepted once).
 */
export class Burnt {
  readonly #steps = new SteadyMap<number>()
  readonly #touches = new SteadyMap<number>()
  readonly #recovery = new SteadyMap<true>()
  readonly #validated = new SteadyMap<readonly string[]>()

  has(burn: Burn): boolean {
    switch (burn.kind) {
      case 'totp':
        return burn.step <= (this.#steps.get(burn.id) ?? -1)
      case 'yubikey':
        return burn.counter <= (this.#touches.get(burn.id) ?? -1)
      case 'recovery':
        return this.#recovery.has(burn.id)
      case 'validated':
        return this.#validated.get(burn.id)?.includes(burn.otp) ?? false
    }
  }

  add(burn: Burn): void {
    if (this.has(burn)) return
    switch (burn.kind) {
      case 'totp':
        this.#steps.set(burn.id, burn.step)
        break
      case 'yubikey':
        this.#touches.set(burn.id, burn.counter)
        break
      case 'recovery':
        this.#recovery.set(burn.id, true)
        break
      case 'validated': {
        const before = this.#validated.get(burn.id) ?? []
        this.#validated.set(burn.id, [...before, burn.otp].slice(-VALIDATED_MAX))
        break
      }
    }
  }

  record(): Recorded<BurntRecord> {
    return {
      steps: membersOf(this.#steps),
      touches: membersOf(this.#touches),
      recovery: elementsOf(this.#recovery, ([id]) => [id]),
      validated: membersOf(this.#validated),
    }
  }

  restore(record: BurntRecord): void {
    for (const [id, step] of Object.entries(record.steps)) this.add({ kind: 'totp', id, step })
    for (const [id, counter] of Object.entries(record.touches)) {
      this.add({ kind: 'yubikey', id, counter })
    }
    for (const id of record.recovery) this.add({ kind: 'recovery', id })
    for (const [id, otps] of Object.entries(record.validated ?? {})) {
      for (const otp of otps) this.add({ kind: 'validated', id, otp })
    }
  }
}

/** Whether the factor that was used up is still this user's: a lost one has been taken away. */
export function holds(user: User, { kind, id }: Pick<Burn, 'kind' | 'id'>): boolean {
  switch (kind) {
    case 'totp':
      return user.totp?.id === id
    case 'yubikey':
    case 'validated':
      return user.yubikeys?.some(({ publicId }) => publicId === id) ?? false
    case 'recovery':
      return user.recovery.some(code => code.id === id)
  }
}

/** All that it opens by now, of what its owner may; `undefined`: whatever they may. */
export const opensOnly = (
  { yubikeys }: User,
  { kind, id }: Pick<Burn, 'kind' | 'id'>,
): readonly string[] | undefined =>
  kind === 'yubikey' || kind === 'validated'
    ? yubikeys?.find(({ publicId }) => publicId === id)?.services
    : undefined

/**
 * Whether the factor is this user's, and has not been used. Burns nothing: the caller does. An online
 * token's takes what the validation servers said of it.
 */
export function checkFactor(
  user: User,
  factor: Factor,
  nowMs: number,
  burnt: Burnt,
  validation: Validation = 'unavailable',
): FactorVerdict {
  const token = tokenOf(user, factor)
  const online = token && isOnline(token)
  const match = online
    ? { isRight: true, burn: validatedBurn(token, factor) }
    : matchFactor(user, factor, token, nowMs)
  if (!match) return { kind: 'wrong' }
  const { isRight, burn } = match
  // Looked up for a wrong code too: a right one shall not show by the time that this takes.
  const isUsed = burnt.has(burn)
  if (!isRight) return { kind: 'wrong' }
  if (isUsed) return { kind: 'used' }
  if (online && validation !== 'right') return { kind: validation }
  return { kind: 'right', burn, services: token?.services }
}

/** The OTP that a validation server must be asked about before this user's factor can be checked. */
export function otpToValidate(user: User, factor: Factor, burnt: Burnt): string | undefined {
  const token = tokenOf(user, factor)
  if (!token || !isOnline(token)) return undefined
  return burnt.has(validatedBurn(token, factor)) ? undefined : factor.code
}

const validatedBurn = ({ publicId }: OnlineYubiKey, { code }: Factor): Burn => ({
  kind: 'validated',
  id: publicId,
  otp: otpName(code),
})

/** The public id is no secret: it names the one token whose key is tried. */
function tokenOf({ yubikeys }: User, { kind, code }: Factor): YubiKey | undefined {
  const otp = kind === 'yubikey' && yubikeys ? parseYubiKeyOtp(code) : undefined
  return otp && yubikeys!.find(({ publicId }) => publicId === otp.publicId)
}

/** Whether a code is right, and what it would use up; of a wrong one, what another would. */
interface Match {
  readonly isRight: boolean
  readonly burn: Burn
}

function matchFactor(
  user: User,
  { kind, code }: Factor,
  token: YubiKey | undefined,
  nowMs: number,
): Match | undefined {
  switch (kind) {
    case 'totp':
      return user.totp && matchTotpFactor(user.totp, code, nowMs)
    case 'recovery':
      return matchRecovery(user.recovery, code)
    case 'yubikey':
      return token && matchYubiKey(token, code)
    case 'none':
      return undefined
  }
}

function matchTotpFactor(totp: TotpFactor, code: string, nowMs: number): Match {
  const step = matchTotp(totp.secret, code, nowMs)
  return { isRight: step >= 0, burn: { kind: 'totp', id: totp.id, step } }
}

function matchYubiKey(token: YubiKey, code: string): Match | undefined {
  const otp = parseYubiKeyOtp(code)
  const counter = otp && !isOnline(token) ? yubiKeyCounter(token, otp.block) : undefined
  if (counter === undefined) return undefined
  return { isRight: true, burn: { kind: 'yubikey', id: token.publicId, counter } }
}

/** Every code is hashed and compared, whichever matches. */
function matchRecovery(codes: readonly RecoveryCode[], given: string): Match | undefined {
  let found = -1
  for (const [i, { salt, hash }] of codes.entries()) {
    found ^= (found ^ i) & equalMask(hashRecoveryCode(salt, given), 0, hash, 0, hash.length)
  }
  const code = codes[Math.max(found, 0)]
  return code && { isRight: found >= 0, burn: { kind: 'recovery', id: code.id } }
}
