import { HOTP, Secret, TOTP } from 'otpauth'
import { equalBytes, writeAscii } from './bytes.ts'

/** RFC 6238's defaults, and the only values that every authenticator app honours. */
export const TOTP_STEP_MS = 30_000
export const TOTP_DIGITS = 6
/** 160 bits, as RFC 4226 section 4 recommends. */
export const TOTP_SECRET_BYTES = 20
/** Steps to either side that are accepted: a phone may be half a minute off (RFC 6238 section 5.2). */
export const TOTP_WINDOW = 1

export const totpStep = (ms: number): number => Math.floor(ms / TOTP_STEP_MS)

/** The code of one time step (RFC 6238, HMAC-SHA-1). */
export const totpCode = (secret: Uint8Array, step: number): string =>
  HOTP.generate({ secret: otpSecret(secret), counter: step, digits: TOTP_DIGITS })

/**
 * The step of the window around `ms` that the code belongs to. Every step is computed and compared
 * in full whatever the code, so the time taken tells neither whether nor where it matched.
 */
export function matchTotp(secret: Uint8Array, code: string, ms: number): number | undefined {
  const given = new Uint8Array(TOTP_DIGITS)
  writeAscii(given, 0, code.slice(0, TOTP_DIGITS))
  const shared = otpSecret(secret)
  const now = totpStep(ms)
  let match = -1
  for (let step = now - TOTP_WINDOW; step <= now + TOTP_WINDOW; step++) {
    const expected = new Uint8Array(TOTP_DIGITS)
    writeAscii(expected, 0, HOTP.generate({ secret: shared, counter: step, digits: TOTP_DIGITS }))
    const same = -Number(equalBytes(given, 0, expected, 0, TOTP_DIGITS))
    match = match ^ ((match ^ (step - now + TOTP_WINDOW)) & same)
  }
  return code.length === TOTP_DIGITS && match >= 0 ? now - TOTP_WINDOW + match : undefined
}

/** RFC 4648 base32, as people and authenticators write it; `undefined` if it is not. */
export function parseTotpSecret(text: string): Uint8Array | undefined {
  const compact = text.replaceAll(' ', '').toUpperCase()
  if (!/^[A-Z2-7]+=*$/.test(compact)) return undefined
  return Secret.fromBase32(compact).bytes
}

export const formatTotpSecret = (secret: Uint8Array): string => otpSecret(secret).base32

/** The Key URI that authenticator apps read from a QR code. */
export const otpauthUri = (issuer: string, label: string, secret: Uint8Array): string =>
  new TOTP({ issuer, label, secret: otpSecret(secret), issuerInLabel: false }).toString()

const otpSecret = (secret: Uint8Array): Secret =>
  new Secret({ buffer: secret.slice().buffer as ArrayBuffer })
