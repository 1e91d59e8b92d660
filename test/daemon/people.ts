import { randomBytes } from 'node:crypto'
import { KEY_BYTES, TOTP_SECRET_BYTES } from '@oneknock/shared'
import type { User } from '../../server/src/core/directory.ts'
import {
  hashRecoveryCode,
  newRecoveryCode,
  RECOVERY_SALT_BYTES,
} from '../../server/src/core/recovery.ts'
import { device, recoveryCode, totpFactor } from '../../server/src/users/user.ts'

/** Somebody with all that they hold: their file's contents, and the codes on their sheet of paper. */
export interface Person extends User {
  readonly codes: readonly string[]
}

export interface PersonOptions {
  readonly services: readonly string[]
  readonly devices?: number
  readonly codes?: number
  readonly otherAddress?: boolean
}

const random = (bytes: number): Uint8Array => new Uint8Array(randomBytes(bytes))

export function person(name: string, options: PersonOptions): Person {
  const { services, devices = 1, codes: count = 0, otherAddress = false } = options
  const enrolled = Math.floor(Date.now() / 1000) * 1000
  const codes = Array.from({ length: count }, () => newRecoveryCode(random))
  return {
    name,
    services,
    devices: Array.from({ length: devices }, (_, i) =>
      device(name, `device-${i}`, random(KEY_BYTES), enrolled),
    ),
    totp: totpFactor(random(TOTP_SECRET_BYTES)),
    recovery: codes.map(code => {
      const salt = random(RECOVERY_SALT_BYTES)
      return recoveryCode(salt, hashRecoveryCode(salt, code))
    }),
    otherAddress,
    locked: false,
    codes,
  }
}
