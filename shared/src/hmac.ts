import { _SHA1 } from '@noble/hashes/legacy.js'
import { _SHA256 } from '@noble/hashes/sha2.js'
import { writeU32 } from './bytes.ts'
import { PACKET_BYTES, TAG_BYTES } from './constants.ts'

/** Of SHA-1 and SHA-256 alike. */
const BLOCK_BYTES = 64
const LENGTH_BYTES = 8
/** The longest message is a packet. */
export const MESSAGE_MAX = PACKET_BYTES
const MESSAGE_BLOCKS = Math.ceil((MESSAGE_MAX + 1 + LENGTH_BYTES) / BLOCK_BYTES)

/** A hash function's compression, with the state that it works on; noble keeps both to itself. */
export interface Compression {
  /** Words of its state, and of its hash. */
  readonly words: number
  /** The state that every hash begins with. */
  readonly initial: Int32Array
  load(words: Int32Array, at: number): void
  store(words: Int32Array, at: number): void
  compress(view: DataView, offset: number): void
}

class Sha256 extends _SHA256 implements Compression {
  readonly words = 8
  readonly initial = Int32Array.from(this.get())

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

class Sha1 extends _SHA1 implements Compression {
  readonly words = 5
  readonly initial = Int32Array.from(this.get())

  load(words: Int32Array, at: number): void {
    this.set(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, words[at + 4]!)
  }

  store(words: Int32Array, at: number): void {
    const state = this.get() // Word by word: as an array it would have to be made.
    for (let i = 0; i < this.words; i++) words[at + i] = state[i]!
  }

  compress(view: DataView, offset: number): void {
    this.process(view, offset)
  }
}

export const SHA1: Compression = new Sha1()
export const SHA256: Compression = new Sha256()

const message = new Uint8Array(MESSAGE_BLOCKS * BLOCK_BYTES)
const messageView = new DataView(message.buffer)
/** What the outer hash is of: the inner one, padded. */
const inner = new Uint8Array(BLOCK_BYTES)
const innerView = new DataView(inner.buffer)

/**
 * HMAC (RFC 2104) of the first `length` of at most `MESSAGE_MAX` bytes, from the two states at `at`
 * that `absorbKey` made of a key. A key whose states are kept costs its MACs half the work, and
 * nothing is allocated. The words go to `mac`.
 */
export function hmac(
  hash: Compression,
  states: Int32Array,
  at: number,
  bytes: Uint8Array,
  length: number,
  mac: Int32Array,
): void {
  const { words } = hash
  message.set(bytes) // All of it: a view of the part would have to be allocated.
  const end = pad(message, messageView, length)
  hash.load(states, at)
  for (let offset = 0; offset < end; offset += BLOCK_BYTES) hash.compress(messageView, offset)
  hash.store(mac, 0)
  for (let i = 0; i < words; i++) innerView.setInt32(4 * i, mac[i]!)
  pad(inner, innerView, 4 * words)
  hash.load(states, at + words)
  hash.compress(innerView, 0)
  hash.store(mac, 0)
}

const INNER_PAD = 0x36
const OUTER_PAD = 0x5c

/** Makes a key of at most 64 bytes the two states that `hmac` takes. */
export function absorbKey(
  hash: Compression,
  key: Uint8Array,
  states: Int32Array,
  at: number,
): void {
  absorbBlock(hash, key, INNER_PAD, states, at)
  absorbBlock(hash, key, OUTER_PAD, states, at + hash.words)
}

function absorbBlock(
  hash: Compression,
  key: Uint8Array,
  byte: number,
  states: Int32Array,
  at: number,
): void {
  message.fill(byte, 0, BLOCK_BYTES)
  for (let i = 0; i < key.length; i++) message[i] = message[i]! ^ key[i]!
  hash.load(hash.initial, 0)
  hash.compress(messageView, 0)
  hash.store(states, at)
  message.fill(0, 0, BLOCK_BYTES)
}

/** Ends what follows a key block as FIPS 180-4 section 5.1.1 says; returns where its last block ends. */
function pad(bytes: Uint8Array, view: DataView, length: number): number {
  const end = Math.ceil((length + 1 + LENGTH_BYTES) / BLOCK_BYTES) * BLOCK_BYTES
  bytes[length] = 0x80
  bytes.fill(0, length + 1, end)
  view.setUint32(end - 4, (BLOCK_BYTES + length) * 8)
  return end
}

/**
 * HMAC-SHA-256 of the first `length` bytes under a key that is used this once; good until the next. Of
 * the key nothing is left here.
 */
export function macUnder(key: Uint8Array, bytes: Uint8Array, length: number): Uint8Array {
  absorbKey(SHA256, key, once.states, 0)
  hmac(SHA256, once.states, 0, bytes, length, once.mac)
  once.states.fill(0)
  writeWords(once.mac, once.bytes)
  return once.bytes
}

const once = {
  states: new Int32Array(2 * SHA256.words),
  mac: new Int32Array(SHA256.words),
  bytes: new Uint8Array(TAG_BYTES),
}

/** A MAC's words as bytes, from the first on. */
export function writeWords(words: Int32Array, bytes: Uint8Array): void {
  for (let i = 0; i < words.length; i++) writeU32(bytes, 4 * i, words[i]!)
}
