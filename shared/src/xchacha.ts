import { KEY_BYTES, NONCE_BYTES } from './constants.ts'

/*
 * XChaCha20, as specified in RFC 8439 (ChaCha20) and draft-irtf-cfrg-xchacha-03 (the longer nonce).
 * Nothing but sums, exclusive ors and shifts by fixed numbers of bits: whatever the key, it takes the
 * same time. It is here because the library's copies and views what it is given a dozen times for each
 * packet, most of it outside the heap, and all for the collector: a server's twentieth part of a knock.
 */

/** "expand 32-byte k" (RFC 8439 section 2.3). */
const CONSTANTS = Int32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)
const DOUBLE_ROUNDS = 10

/** Words of the state: constants 0–3, key 4–11, counter 12, nonce 13–15. Emptied behind each use. */
const state = new Int32Array(16)
/** What the rounds make of it; likewise. */
const mixed = new Int32Array(16)

/**
 * Encrypts from block 0 on, or decrypts: the same again gives back what was there. `output` is as long
 * as `data`, and may be `data` itself.
 */
export function xchacha20(
  key: Uint8Array,
  nonce: Uint8Array,
  data: Uint8Array,
  output: Uint8Array = new Uint8Array(data.length),
): Uint8Array {
  if (key.length !== KEY_BYTES || nonce.length !== NONCE_BYTES) {
    throw new RangeError('XChaCha20 takes a key of 32 bytes and a nonce of 24')
  }
  for (let i = 0; i < 4; i++) state[i] = CONSTANTS[i]!
  for (let i = 0; i < 8; i++) state[4 + i] = readI32LE(key, 4 * i)
  for (let i = 0; i < 4; i++) state[12 + i] = readI32LE(nonce, 4 * i)
  mix()
  // What HChaCha20 gives (section 2.2) is the key from here on; the nonce is what is left of it.
  for (let i = 0; i < 4; i++) {
    state[4 + i] = mixed[i]!
    state[8 + i] = mixed[12 + i]!
  }
  state[12] = 0
  state[13] = 0
  state[14] = readI32LE(nonce, 16)
  state[15] = readI32LE(nonce, 20)
  const { length } = data
  for (let at = 0; at < length; state[12]!++) {
    mix()
    for (let i = 0; i < 16; i++) {
      const word = mixed[i]! + state[i]!
      const end = Math.min(length - at, 4)
      for (let byte = 0; byte < end; byte++, at++) output[at] = data[at]! ^ (word >>> (8 * byte))
    }
  }
  state.fill(0)
  mixed.fill(0)
  return output
}

/** The twenty rounds (RFC 8439 section 2.3): four columns, then four diagonals. */
function mix(): void {
  for (let i = 0; i < 16; i++) mixed[i] = state[i]!
  for (let i = 0; i < DOUBLE_ROUNDS; i++) {
    quarterRound(0, 4, 8, 12)
    quarterRound(1, 5, 9, 13)
    quarterRound(2, 6, 10, 14)
    quarterRound(3, 7, 11, 15)
    quarterRound(0, 5, 10, 15)
    quarterRound(1, 6, 11, 12)
    quarterRound(2, 7, 8, 13)
    quarterRound(3, 4, 9, 14)
  }
}

/** RFC 8439 section 2.1. */
function quarterRound(i: number, j: number, k: number, l: number): void {
  let a = mixed[i]!
  let b = mixed[j]!
  let c = mixed[k]!
  let d = mixed[l]!
  a = (a + b) | 0
  d = rotate(d ^ a, 16)
  c = (c + d) | 0
  b = rotate(b ^ c, 12)
  a = (a + b) | 0
  d = rotate(d ^ a, 8)
  c = (c + d) | 0
  b = rotate(b ^ c, 7)
  mixed[i] = a
  mixed[j] = b
  mixed[k] = c
  mixed[l] = d
}

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits))

const readI32LE = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
