import { randomBytes } from 'node:crypto'
import {
  formatInvitation,
  isName,
  KEY_BYTES,
  NAME_RULE,
  otpauthUri,
  TOTP_SECRET_BYTES,
} from '@oneknock/shared'
import type { Config } from '../config.ts'
import type { Device, RecoveryCode, TotpFactor, User } from '../core/directory.ts'
import {
  hashRecoveryCode,
  newRecoveryCode,
  RECOVERY_CODES,
  RECOVERY_SALT_BYTES,
} from '../core/recovery.ts'
import { device, recoveryCode, totpFactor } from '../users/user.ts'
import { Failure } from './failure.ts'

/** Makes the secrets of users and devices. They are shown once, and never again. */

const random = (bytes: number): Uint8Array => new Uint8Array(randomBytes(bytes))

/** Enrolled now, to the second: that is how its file says it. */
export function newDevice(user: string, label: string): Device {
  checkName('device', label)
  return device(user, label, random(KEY_BYTES), Math.floor(Date.now() / 1000) * 1000)
}

export const newTotp = (): TotpFactor => totpFactor(random(TOTP_SECRET_BYTES))

/** The codes to print, and what is kept of them. */
export function newRecoveryCodes(): { readonly texts: string[]; readonly kept: RecoveryCode[] } {
  const texts = Array.from({ length: RECOVERY_CODES }, () => newRecoveryCode(random))
  const kept = texts.map(text => {
    const salt = random(RECOVERY_SALT_BYTES)
    return recoveryCode(salt, hashRecoveryCode(salt, text))
  })
  return { texts, kept }
}

export const invitationOf = (config: Config, user: User, { label, key }: Device): string =>
  formatInvitation({
    ...config.public,
    name: config.name,
    user: user.name,
    device: label,
    key,
    services: user.services,
    ...(config.http?.public !== undefined && { http: config.http.public }),
  })

export const otpauthOf = (config: Config, user: string, totp: TotpFactor): string =>
  otpauthUri(config.name, user, totp.secret)

export function checkName(what: 'user' | 'device' | 'YubiKey', text: string): void {
  if (!isName(text))
    throw new Failure(`${JSON.stringify(text)} cannot name a ${what}: ${NAME_RULE}`)
}
