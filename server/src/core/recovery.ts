import { sha256 } from '@noble/hashes/sha2.js'
import { writeAscii } from '@oneknock/shared'

/** How many a new user gets: enough for a year of lost phones, few enough for one sheet. */
export const RECOVERY_CODES = 10
/** Salts only keep two stores from being compared; the codes are too many to try without them. */
export const RECOVERY_SALT_BYTES = 16
export const RECOVERY_HASH_BYTES = 32

/** RFC 4648 base32 in lower case: no 0, 1, 8 or 9 to mistake for a letter. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const GROUPS = 7
/** 28 characters of 5 bits are 140 bits; with the dashes 34 characters, which a factor holds. */
const GROUP_CHARACTERS = 4

/** A code to print once and keep on paper: `abcd-efgh-…`, seven groups. */
export function newRecoveryCode(random: (bytes: number) => Uint8Array): string {
  const characters = Array.from(random(GROUPS * GROUP_CHARACTERS), byte => ALPHABET[byte & 31])
  return Array.from({ length: GROUPS }, (_, group) =>
    characters.slice(group * GROUP_CHARACTERS, (group + 1) * GROUP_CHARACTERS).join(''),
  ).join('-')
}

/** SHA-256(salt ‖ code), for the code in any case and however it is spaced. */
export function hashRecoveryCode(salt: Uint8Array, code: string): Uint8Array {
  const plain = normaliseRecoveryCode(code)
  const bytes = new Uint8Array(plain.length)
  writeAscii(bytes, 0, plain)
  return sha256.create().update(salt).update(bytes).digest()
}

/** What is left of a code once dashes, spaces and capitals are gone: that is what is hashed. */
const normaliseRecoveryCode = (code: string): string => code.replaceAll(/[\s-]/g, '').toLowerCase()
