import { equalMask, type Factor, matchTotp } from '@oneknock/shared'
import type { RecoveryCode, TotpFactor, User, YubiKey } from './directory.ts'
import { hashRecoveryCode } from './recovery.ts'
import { parseYubiKeyOtp, yubiKeyCounter } from './yubikey.ts'

/** What was used up: a time step of a secret or a touch of a token (and all before it), or a recovery code. */
export type Burn =
  | { readonly kind: 'totp'; readonly id: string; readonly step: number }
  | { readonly kind: 'yubikey'; readonly id: string; readonly counter: number }
  | { readonly kind: 'recovery'; readonly id: string }

export type FactorVerdict =
  | { readonly kind: 'right'; readonly burn: Burn }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'used' }

/** What a checkpoint holds of it. */
export interface BurntRecord {
  readonly steps: Readonly<Record<string, number>>
  readonly touches: Readonly<Record<string, number>>
  readonly recovery: readonly string[]
}

/**
 * The codes that have been used, by their secret: whichever device, service or listener they came
 * through (RFC 6238 section 5.2: a code is accepted once).
 */
export class Burnt {
  readonly #steps = new Map<string, number>()
  readonly #touches = new Map<string, number>()
  readonly #recovery = new Set<string>()

  has(burn: Burn): boolean {
    switch (burn.kind) {
      case 'totp':
        return burn.step <= (this.#steps.get(burn.id) ?? -1)
      case 'yubikey':
        return burn.counter <= (this.#touches.get(burn.id) ?? -1)
      case 'recovery':
        return this.#recovery.has(burn.id)
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
        this.#recovery.add(burn.id)
        break
    }
  }

  record(): BurntRecord {
    return {
      steps: Object.fromEntries(this.#steps),
      touches: Object.fromEntries(this.#touches),
      recovery: [...this.#recovery],
    }
  }

  restore(record: BurntRecord): void {
    for (const [id, step] of Object.entries(record.steps)) this.add({ kind: 'totp', id, step })
    for (const [id, counter] of Object.entries(record.touches)) {
      this.add({ kind: 'yubikey', id, counter })
    }
    for (const id of record.recovery) this.add({ kind: 'recovery', id })
  }
}

/** Whether the factor that was used up is still this user's: a lost one has been taken away. */
export function holds(user: User, { kind, id }: Pick<Burn, 'kind' | 'id'>): boolean {
  switch (kind) {
    case 'totp':
      return user.totp?.id === id
    case 'yubikey':
      return user.yubikeys?.some(({ publicId }) => publicId === id) ?? false
    case 'recovery':
      return user.recovery.some(code => code.id === id)
  }
}

/** Whether the factor is this user's, and has not been used. Burns nothing: the caller does. */
export function checkFactor(
  user: User,
  factor: Factor,
  nowMs: number,
  burnt: Burnt,
): FactorVerdict {
  const burn = matchFactor(user, factor, nowMs)
  if (!burn) return { kind: 'wrong' }
  return burnt.has(burn) ? { kind: 'used' } : { kind: 'right', burn }
}

function matchFactor(user: User, { kind, code }: Factor, nowMs: number): Burn | undefined {
  switch (kind) {
    case 'totp':
      return user.totp && matchTotpFactor(user.totp, code, nowMs)
    case 'recovery':
      return matchRecovery(user.recovery, code)
    case 'yubikey':
      return matchYubiKey(user.yubikeys ?? [], code)
    case 'none':
      return undefined
  }
}

function matchTotpFactor(totp: TotpFactor, code: string, nowMs: number): Burn | undefined {
  const step = matchTotp(totp.secret, code, nowMs)
  return step === undefined ? undefined : { kind: 'totp', id: totp.id, step }
}

/** The public id is no secret: it names the one token whose key is tried. */
function matchYubiKey(tokens: readonly YubiKey[], code: string): Burn | undefined {
  const otp = parseYubiKeyOtp(code)
  const token = otp && tokens.find(({ publicId }) => publicId === otp.publicId)
  const counter = token && yubiKeyCounter(token, otp.block)
  return counter === undefined ? undefined : { kind: 'yubikey', id: token!.publicId, counter }
}

/** Every code is hashed and compared, whichever matches. */
function matchRecovery(codes: readonly RecoveryCode[], given: string): Burn | undefined {
  let found = -1
  for (const [i, { salt, hash }] of codes.entries()) {
    found ^= (found ^ i) & equalMask(hashRecoveryCode(salt, given), 0, hash, 0, hash.length)
  }
  return found < 0 ? undefined : { kind: 'recovery', id: codes[found]!.id }
}
