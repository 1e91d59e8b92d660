import { ecb } from '@noble/ciphers/aes.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { equalBytes, toHex } from '@oneknock/shared'
import type { LocalYubiKey } from './directory.ts'

/** Sixteen characters that sit on the same keys of every keyboard layout. Index = value. */
const MODHEX = 'cbdefghijklnrtuv'
/** What follows the public id: one AES block in modhex. */
const BLOCK_CHARS = 32
const BLOCK_BYTES = 16
/** A public id has at most 16 bytes; those of factory keys have 6. */
export const PUBLIC_ID_MAX_CHARS = 32
/** What the tokens of today have, and what makes an OTP 44 letters. */
export const PUBLIC_ID_CHARS = 12
export const PRIVATE_ID_BYTES = 6
/** What a CRC over data and its own complement comes to (ISO 13239). */
const CRC_RESIDUE = 0xf0b8

/** Offsets in the decrypted block. Numbers are little-endian. */
const AT = { privateId: 0, counter: 6, use: 11 } as const

export interface YubiKeyOtp {
  /** Modhex; which token it says it is. */
  readonly publicId: string
  readonly block: Uint8Array
}

/** An OTP as a YubiKey types it, or `undefined`. */
export function parseYubiKeyOtp(text: string): YubiKeyOtp | undefined {
  const at = text.length - BLOCK_CHARS
  if (at < 0 || at > PUBLIC_ID_MAX_CHARS) return undefined
  const block = fromModhex(text.slice(at))
  const publicId = text.slice(0, at)
  return block && fromModhex(publicId) ? { publicId, block } : undefined
}

/**
 * The OTP's place in its token's life: a number that grows with every touch; `undefined` if the token
 * did not make it. Private id and CRC are looked at in full, whatever is wrong.
 */
export function yubiKeyCounter(token: LocalYubiKey, block: Uint8Array): number | undefined {
  const plain = ecb(token.key, { disablePadding: true }).decrypt(block)
  const isTokens = equalBytes(plain, AT.privateId, token.privateId, 0, PRIVATE_ID_BYTES)
  const isWhole = crc16(plain) === CRC_RESIDUE
  // The high bit of the counter says that caps lock was on when it was typed.
  const counter = (plain[AT.counter]! | (plain[AT.counter + 1]! << 8)) & 0x7fff
  return Number(isTokens) & Number(isWhole) ? counter * 256 + plain[AT.use]! : undefined
}

/** 64 bits of a hash tell OTPs apart; the OTP itself, 128 bits of cipher, nobody finds from it. */
const OTP_NAME_BYTES = 8

/** What stands in the ledger for an OTP that was not decrypted here. */
export const otpName = (otp: string): string =>
  toHex(sha256(new TextEncoder().encode(otp)).subarray(0, OTP_NAME_BYTES))

export const toModhex = (bytes: Uint8Array): string =>
  [...bytes].map(byte => MODHEX[byte >> 4]! + MODHEX[byte & 15]!).join('')

export function fromModhex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    const high = MODHEX.indexOf(text[2 * i]!)
    const low = MODHEX.indexOf(text[2 * i + 1]!)
    if (high < 0 || low < 0) return undefined
    bytes[i] = high * 16 + low
  }
  return bytes
}

/** CRC-16 as in ISO 13239: reflected polynomial 0x8408, started at all ones. */
function crc16(bytes: Uint8Array): number {
  let crc = 0xffff
  for (let i = 0; i < BLOCK_BYTES; i++) {
    crc ^= bytes[i]!
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0x8408 : 0)
  }
  return crc
}
