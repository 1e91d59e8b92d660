import { type Factor, parseFactor, TOTP_DIGITS } from '@oneknock/shared'

/** As `totp`, it is a code that nobody has. */
export const WRONG_CODE: Factor = { kind: 'totp', code: '' }

/** Bytes of a password as text, one character for each: what is not ASCII comes back as it was. */
const asText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const asBytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))

/** What is no code at all counts as a wrong one. */
export function factorIn(password: Uint8Array): Factor {
  const factor = parseFactor(asText(password))
  return factor.ok ? factor.value : WRONG_CODE
}

export interface PasswordAndFactor {
  readonly password: Uint8Array
  readonly factor: Factor
}

/** The ends that a password with a code behind it can have; none of them is an end of another. */
const CODES: readonly RegExp[] = [
  new RegExp(`[0-9]{${TOTP_DIGITS}}$`),
  /** A YubiKey's OTP. */
  /[cbdefghijklnrtuv]{44}$/,
  /** A recovery code as it is printed. */
  /[a-z2-7]{4}(?:-[a-z2-7]{4}){6}$/,
]

/** `undefined` if no code is at its end. */
export function splitPassword(typed: Uint8Array): PasswordAndFactor | undefined {
  const text = asText(typed)
  for (const code of CODES) {
    const at = text.search(code)
    if (at < 0) continue
    return { password: asBytes(text.slice(0, at)), factor: factorIn(asBytes(text.slice(at))) }
  }
  return undefined
}
