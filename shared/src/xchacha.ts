import { __TESTS } from '@noble/ciphers/chacha.js'
import { KEY_BYTES, NONCE_BYTES } from './constants.ts'

/**
 * The block function (RFC 8439 section 2.3): words in, words out, so the machine's byte order is none
 * of its business. noble names it as a thing for tests; its cipher makes a dozen arrays for each
 * packet, which takes several times as long as the blocks.
 */
const { chachaCore } = __TESTS

const BLOCK_BYTES = 64

/** "expand 32-byte k" (RFC 8439 section 2.3). */
const CONSTANTS = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)
/** Emptied behind each use. */
const key = new Uint32Array(8)
const nonce = new Uint32Array(3)
const block = new Uint32Array(BLOCK_BYTES / 4)

/**
 * XChaCha20 (draft-irtf-cfrg-xchacha-03 section 2.3) from block 0 on, of at most 2^32 blocks: the same
 * again gives back what was there. `output` is as long as `data`, and may be `data` itself.
 */
export function xchacha20(
  keyBytes: Uint8Array,
  nonceBytes: Uint8Array,
  data: Uint8Array,
  output: Uint8Array = new Uint8Array(data.length),
): Uint8Array {
  if (keyBytes.length !== KEY_BYTES || nonceBytes.length !== NONCE_BYTES) {
    throw new RangeError('XChaCha20 takes a key of 32 bytes and a nonce of 24')
  }
  for (let i = 0; i < key.length; i++) key[i] = readU32LE(keyBytes, 4 * i)
  makeSubkey(nonceBytes)
  nonce[0] = 0
  nonce[1] = readU32LE(nonceBytes, 16)
  nonce[2] = readU32LE(nonceBytes, 20)
  for (let at = 0, counter = 0; at < data.length; at += BLOCK_BYTES, counter++) {
    chachaCore(CONSTANTS, key, nonce, block, counter)
    const end = Math.min(BLOCK_BYTES, data.length - at)
    for (let i = 0; i < end; i++) {
      output[at + i] = data[at + i]! ^ (block[i >> 2]! >>> (8 * (i & 3)))
    }
  }
  key.fill(0)
  block.fill(0)
  return output
}

/** HChaCha20 (section 2.2): a block without the sum that ends it. */
function makeSubkey(nonceBytes: Uint8Array): void {
  const first = readU32LE(nonceBytes, 0)
  for (let i = 0; i < nonce.length; i++) nonce[i] = readU32LE(nonceBytes, 4 + 4 * i)
  chachaCore(CONSTANTS, key, nonce, block, first)
  for (let i = 0; i < 4; i++) key[i] = block[i]! - CONSTANTS[i]!
  key[4] = block[12]! - first
  for (let i = 0; i < nonce.length; i++) key[5 + i] = block[13 + i]! - nonce[i]!
}

const readU32LE = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
