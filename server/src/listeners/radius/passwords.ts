import { timingSafeEqual } from 'node:crypto'
import { ATTRIBUTE, AUTHENTICATOR_BYTES, firstOf, type RadiusPacket } from './packet.ts'
import { md5 } from './signing.ts'

/** RFC 2865 section 5.2. */
const BLOCK_BYTES = 16
const HIDDEN_MAX = 128

/**
 * RFC 2865 section 5.2, backwards. `undefined` if it has a length that no hidden password has, or
 * padding that no password has: then the secret is another, or somebody has altered it.
 */
export function revealPassword(
  hidden: Uint8Array,
  authenticator: Uint8Array,
  secret: Uint8Array,
): Uint8Array | undefined {
  const { length } = hidden
  if (length === 0 || length % BLOCK_BYTES !== 0 || length > HIDDEN_MAX) return undefined
  const padded = new Uint8Array(length)
  for (let at = 0; at < length; at += BLOCK_BYTES) {
    const before = at === 0 ? authenticator : hidden.subarray(at - BLOCK_BYTES, at)
    mask(padded, hidden, at, md5(secret, before))
  }
  const end = padded.indexOf(0)
  if (end < 0) return padded
  return padded.subarray(end).every(byte => byte === 0) ? padded.subarray(0, end) : undefined
}

/** RFC 2865 section 5.2; `undefined` for what is longer than it can hide. */
export function hidePassword(
  password: Uint8Array,
  authenticator: Uint8Array,
  secret: Uint8Array,
): Uint8Array | undefined {
  const blocks = Math.max(1, Math.ceil(password.length / BLOCK_BYTES))
  if (blocks * BLOCK_BYTES > HIDDEN_MAX) return undefined
  const hidden = new Uint8Array(blocks * BLOCK_BYTES)
  hidden.set(password)
  for (let at = 0; at < hidden.length; at += BLOCK_BYTES) {
    const before = at === 0 ? authenticator : hidden.subarray(at - BLOCK_BYTES, at)
    mask(hidden, hidden, at, md5(secret, before))
  }
  return hidden
}

function mask(into: Uint8Array, from: Uint8Array, at: number, key: Uint8Array): void {
  for (let i = 0; i < BLOCK_BYTES; i++) into[at + i] = from[at + i]! ^ key[i]!
}

/** What a CHAP client has made of its password, RFC 2865 section 2.2. */
export interface Chap {
  readonly identifier: Uint8Array
  readonly response: Uint8Array
  readonly challenge: Uint8Array
}

/** The challenge is the authenticator's 16 bytes if no attribute holds it. */
export function chapOf(packet: RadiusPacket): Chap | undefined {
  const value = firstOf(packet, ATTRIBUTE.chapPassword)
  if (value?.length !== 1 + AUTHENTICATOR_BYTES) return undefined
  return {
    identifier: value.subarray(0, 1),
    response: value.subarray(1),
    challenge: firstOf(packet, ATTRIBUTE.chapChallenge) ?? packet.authenticator,
  }
}

/** Which of these it was made of. All are tried, whichever it is. */
export function matchChap(
  { identifier, response, challenge }: Chap,
  passwords: readonly string[],
): string | undefined {
  let found: string | undefined
  for (const password of passwords) {
    const made = md5(identifier, new TextEncoder().encode(password), challenge)
    if (timingSafeEqual(made, response)) found = password
  }
  return found
}
