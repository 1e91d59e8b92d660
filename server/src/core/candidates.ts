import { TOTP_SECRET_BYTES, TOTP_WINDOW, totpCode, totpStep } from '@oneknock/shared'
import type { User } from './directory.ts'

const NO_SECRET = new Uint8Array(TOTP_SECRET_BYTES)

/**
 * The authenticator codes of the window around that time: for doors that are told a digest of the
 * code only. Whoever has none gets codes as well, after the same work; no judgement takes them.
 */
export function codesOf(user: User | undefined, nowMs: number): string[] {
  const secret = user?.totp?.secret ?? NO_SECRET
  const first = totpStep(nowMs) - TOTP_WINDOW
  return Array.from({ length: 2 * TOTP_WINDOW + 1 }, (_, i) => totpCode(secret, first + i))
}
