import { fail, ok, parseFactor, type Reason, type Result } from '@oneknock/shared'
import type { Outcome } from './core/knocks.ts'
import type { CredentialAttempt } from './listeners/listener.ts'

/** How the ledger names it when a program of this host has a code looked at. */
const VERIFY_DOOR = 'otp'
/** Where such a program asks from, unless it knows better. */
export const HERE = '127.0.0.1'

/** What `oneknockd otp verify` was told. */
export interface Told {
  readonly user: string
  readonly code: string
  /** For the record: where the person is. */
  readonly source: string
}

/** What became of the code; `none` if it was right. */
export interface Verification {
  readonly reason: Reason
  readonly detail: string
}

/** A code that is looked at and opens nothing; or why it cannot be one, which counts as no guess. */
export function verification({ user, code, source }: Told): Result<CredentialAttempt, string> {
  const factor = parseFactor(code)
  if (!factor.ok) return fail(factor.error.message)
  const claim = { door: VERIFY_DOOR, user, factor: factor.value, source }
  return ok({ ...claim, services: undefined, lifetime: 0 })
}

export const verified = ({ status, reason, detail }: Outcome): Verification => ({
  // Nothing but a right code has no reason against it, whatever the outcome is called.
  reason: status === 'opened' ? 'none' : reason === 'none' ? 'wrong-factor' : reason,
  detail,
})
