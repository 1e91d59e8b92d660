import { _SHA256 } from '@noble/hashes/sha2.js'
import { TAG_BYTES, writeU32 } from '@oneknock/shared'

/** SHA-256's block. */
const BLOCK_BYTES = 64
export const HASH_WORDS = TAG_BYTES / 4
/** A key as two hash states: what its inner key block leads to, and its outer one. */
export const STATE_WORDS = 2 * HASH_WORDS
/** The longest message, a packet, with its padding. */
const MESSAGE_BLOCKS = 5

/** noble's compression function, and the state that it works on, which noble keeps to itself. */
class Compression extends _SHA256 {
  load(words: Int32Array, at: number): void {
    this.A = words[at]!
    this.B = words[at + 1]!
    this.C = words[at + 2]!
    this.D = words[at + 3]!
    this.E = words[at + 4]!
    this.F = words[at + 5]!
    this.G = words[at + 6]!
    this.H = words[at + 7]!
  }

  store(words: Int32Array, at: number): void {
    words[at] = this.A
    words[at + 1] = this.B
    words[at + 2] = this.C
    words[at + 3] = this.D
    words[at + 4] = this.E
    words[at + 5] = this.F
    words[at + 6] = this.G
    words[at + 7] = this.H
  }

  compress(view: DataView, offset: number): void {
    this.process(view, offset)
  }
}

const compression = new Compression()
const INITIAL = new Int32Array(HASH_WORDS)
compression.store(INITIAL, 0)

const message = new Uint8Array(MESSAGE_BLOCKS * BLOCK_BYTES)
const messageView = new DataView(message.buffer)
/** What the outer hash is of: the inner one, padded. */
const inner = new Uint8Array(BLOCK_BYTES)
const innerView = new DataView(inner.buffer)
pad(inner, innerView, TAG_BYTES)
const mac = new Int32Array(HASH_WORDS)

/**
 * HMAC-SHA-256 (RFC 2104) of the first `length` of at most 256 bytes, from the states of a key. The
 * words returned are good until the next call.
 */
export function hmac(
  states: Int32Array,
  at: number,
  bytes: Uint8Array,
  length: number,
): Int32Array {
  message.set(bytes) // All of it: a view of the part would have to be allocated.
  const end = pad(message, messageView, length)
  compression.load(states, at)
  for (let offset = 0; offset < end; offset += BLOCK_BYTES)
    compression.compress(messageView, offset)
  compression.store(mac, 0)
  for (let i = 0; i < HASH_WORDS; i++) writeU32(inner, 4 * i, mac[i]!)
  compression.load(states, at + HASH_WORDS)
  compression.compress(innerView, 0)
  compression.store(mac, 0)
  return mac
}

const INNER_PAD = 0x36
const OUTER_PAD = 0x5c

/** Makes a key of at most 64 bytes the states that `hmac` takes. */
export function absorbKey(key: Uint8Array, states: Int32Array, at: number): void {
  absorbBlock(key, INNER_PAD, states, at)
  absorbBlock(key, OUTER_PAD, states, at + HASH_WORDS)
}

function absorbBlock(key: Uint8Array, byte: number, states: Int32Array, at: number): void {
  message.fill(byte, 0, BLOCK_BYTES)
  for (let i = 0; i < key.length; i++) message[i] = message[i]! ^ key[i]!
  compression.load(INITIAL, 0)
  compression.compress(messageView, 0)
  compression.store(states, at)
  message.fill(0, 0, BLOCK_BYTES)
}

/** Ends what follows a key block as FIPS 180-4 section 5.1.1 says; returns where its last block ends. */
function pad(bytes: Uint8Array, view: DataView, length: number): number {
  const end = Math.ceil((length + 9) / BLOCK_BYTES) * BLOCK_BYTES
  bytes[length] = 0x80
  bytes.fill(0, length + 1, end)
  view.setUint32(end - 4, (BLOCK_BYTES + length) * 8)
  return end
}
