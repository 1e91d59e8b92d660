import { sha1 } from '@noble/hashes/legacy.js'
import { HOTP, Secret, TOTP } from 'otpauth'
import { equalMask, writeAscii, writeU64 } from './bytes.ts'
import { absorbKey, hmac, SHA1 } from './hmac.ts'

/** RFC 6238's defaults, and the only values that every authenticator app honours. */
export const TOTP_STEP_MS = 30_000
export const TOTP_DIGITS = 6
/** 160 bits, as RFC 4226 section 4 recommends. */
export const TOTP_SECRET_BYTES = 20
/** 16 base32 characters, the shortest secret that services still hand out: shorter is a mistake. */
export const TOTP_SECRET_MIN = 10
/** Steps to either side that are accepted: a phone may be half a minute off (RFC 6238 section 5.2). */
export const TOTP_WINDOW = 1

const CODE = new RegExp(`^[0-9]{${TOTP_DIGITS}}$`)

export const totpStep = (ms: number): number => Math.floor(ms / TOTP_STEP_MS)

/** The code of one time step (RFC 6238, HMAC-SHA-1). */
export const totpCode = (secret: Uint8Array, step: number): string =>
  HOTP.generate({ secret: otpSecret(secret), counter: step, digits: TOTP_DIGITS })

/**
 * The step of the window around `ms` that the code belongs to; −1 if it is none's. Every step is
 * computed and compared in full whatever the code, and the answer is a number without a branch on it,
 * so the time taken tells neither whether nor where it matched.
 */
export function matchTotp(secret: Uint8Array, code: string, ms: number): number {
  // Bytes keep only a character's low eight bits: unchecked, U+0131 would pass for the digit 1.
  const isCode = CODE.test(code)
  const given = new Uint8Array(TOTP_DIGITS)
  writeAscii(given, 0, code.slice(0, TOTP_DIGITS))
  const first = totpStep(ms) - TOTP_WINDOW
  // What no clock says has no steps; it tells nothing of the code.
  if (!Number.isSafeInteger(first)) return -1
  // The secret's own blocks are hashed once for all steps, which halves the work.
  absorbKey(SHA1, secret.length > HMAC_KEY_MAX ? sha1(secret) : secret, states, 0)
  const expected = new Uint8Array(TOTP_DIGITS)
  let match = -1
  for (let i = 0; i <= 2 * TOTP_WINDOW; i++) {
    writeU64(counter, 0, first + i)
    hmac(SHA1, states, 0, counter, counter.length, mac)
    writeCode(expected, mac)
    match ^= (match ^ i) & equalMask(given, 0, expected, 0, TOTP_DIGITS)
  }
  states.fill(0)
  const missed = (match >> 31) | (Number(isCode) - 1)
  return (first + match) * (1 + missed) + missed
}

/** RFC 2104: a longer key is hashed first. */
const HMAC_KEY_MAX = 64
const states = new Int32Array(2 * SHA1.words)
const counter = new Uint8Array(8)
const mac = new Int32Array(SHA1.words)

/** The digits of an HMAC-SHA-1, as RFC 4226 section 5.3 truncates it. */
function writeCode(digits: Uint8Array, mac: Int32Array): void {
  const offset = mac[4]! & 15
  const word = offset >> 2
  const shift = 8 * (offset & 3)
  // Four bytes from any offset on: the end of one word and, but at its start, the beginning of the next.
  const next = shift === 0 ? 0 : mac[word + 1]! >>> (32 - shift)
  let left = ((mac[word]! << shift) | next) & 0x7fffffff
  for (let i = TOTP_DIGITS - 1; i >= 0; i--) {
    digits[i] = 0x30 + (left % 10)
    left = Math.trunc(left / 10)
  }
}

/**
 * RFC 4648 base32, as people and authenticators write it; `undefined` if it is not, if its length
 * is one that no bytes have (a character was lost), or if it is too short to be a secret.
 */
export function parseTotpSecret(text: string): Uint8Array | undefined {
  const digits = text.replaceAll(' ', '').toUpperCase().replace(/=+$/, '')
  if (!/^[A-Z2-7]+$/.test(digits) || [1, 3, 6].includes(digits.length % 8)) return undefined
  const { bytes } = Secret.fromBase32(digits)
  return bytes.length >= TOTP_SECRET_MIN ? bytes : undefined
}

export const formatTotpSecret = (secret: Uint8Array): string => otpSecret(secret).base32

/** The Key URI that authenticator apps read from a QR code. */
export const otpauthUri = (issuer: string, label: string, secret: Uint8Array): string =>
  new TOTP({ issuer, label, secret: otpSecret(secret), issuerInLabel: false }).toString()

/** A copy, since `Secret` takes the whole buffer below a view: a Node Buffer's is a shared pool. */
const otpSecret = (secret: Uint8Array): Secret =>
  new Secret({ buffer: Uint8Array.from(secret).buffer })
