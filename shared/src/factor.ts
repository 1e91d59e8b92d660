import { isPrintableAscii } from './bytes.ts'
import { FACTOR_MAX } from './constants.ts'
import type { Factor } from './packet.ts'
import { fail, ok, type Result } from './result.ts'
import { TOTP_DIGITS } from './totp.ts'

/** What is wrong with a code; never the code. */
export interface NotACode {
  readonly code: 'not-a-code'
  readonly message: string
}

/** Authenticators show `123 456`, and people type what they see. */
const TOTP = new RegExp(`^[0-9]{${TOTP_DIGITS}}$`)
/**
 * The sixteen letters that every keyboard has in the same place, as a YubiKey types them: 32 of them
 * that are its own each time, behind a public id, which is twelve unless somebody wrote another into
 * it, of none to 32.
 */
const YUBIKEY = /^(?:[cbdefghijklnrtuv]{2}){16,32}$/

/**
 * A recovery code is 128 random bits at the least, and there are 95 printable characters. What is
 * shorter is a slip of the fingers, or what a code command says when it has none.
 */
const RECOVERY_MIN = Math.ceil(128 / Math.log2(95))
const SHORT = `this is no code: an authenticator shows ${TOTP_DIGITS} digits, and a touch of a YubiKey or a recovery code is longer`

const LONG_PUBLIC_ID = `a touch has ${FACTOR_MAX} letters at most; write a public id of 12 letters into the YubiKey`

const notACode = (message: string) => fail<NotACode>({ code: 'not-a-code', message })

/** A code as typed, pasted or printed by a command; its form tells what kind it is. */
export function parseFactor(text: string): Result<Factor, NotACode> {
  const code = text.trim()
  const digits = code.replaceAll(' ', '')
  if (TOTP.test(digits)) return ok({ kind: 'totp', code: digits })
  if (code === '') return notACode('the code is empty')
  // Sent as anything else it would count as a wrong one.
  if (/^[0-9]+$/.test(digits)) {
    return notACode(`a code from an authenticator has ${TOTP_DIGITS} digits, not ${digits.length}`)
  }
  if (YUBIKEY.test(code) && code.length > FACTOR_MAX) return notACode(LONG_PUBLIC_ID)
  if (YUBIKEY.test(code)) return ok({ kind: 'yubikey', code })
  if (!isPrintableAscii(code)) return notACode('a code is one line of plain characters')
  if (code.length > FACTOR_MAX) return notACode(`a code has ${FACTOR_MAX} characters at most`)
  // As with digits: it would only count as a wrong one.
  if (code.replaceAll(/[ -]/g, '').length < RECOVERY_MIN) return notACode(SHORT)
  return ok({ kind: 'recovery', code })
}
