import { KEY_BYTES, KEY_INFO, readU32, SALT_STATE, SHA256 } from '@oneknock/shared'
import { BLOCK_WORDS, LANES, type Sha256Lanes, sha256Lanes } from './sha256-lanes.ts'

const HASH_WORDS = SHA256.words
/** The inner hash's and the outer one's. */
const STATE_WORDS = 2 * HASH_WORDS
const GROUP_WORDS = STATE_WORDS * LANES
const GROUPS_MIN = 4
const NONE = -1

const INNER_PAD = 0x36363636
const OUTER_PAD = 0x5c5c5c5c

/** Places in the lanes' memory. What a key has left there is wiped before anything else is done. */
const PLACE = {
  secret: 0,
  /** Eight words: a device's key, a pseudorandom key, a hint key. */
  key: 0,
  inner: HASH_WORDS,
  outer: 2 * HASH_WORDS,
  /** A key as HMAC begins with it. */
  padded: 3 * HASH_WORDS,
  /** A message of 32 bytes: a device's key, or what the inner hash gave. */
  digest: 3 * HASH_WORDS + BLOCK_WORDS,
  publicFrom: 3 * HASH_WORDS + 2 * BLOCK_WORDS,
  info: 3 * HASH_WORDS + 2 * BLOCK_WORDS,
  epoch: 3 * HASH_WORDS + 3 * BLOCK_WORDS,
  initial: 3 * HASH_WORDS + 4 * BLOCK_WORDS,
  saltInner: 4 * HASH_WORDS + 4 * BLOCK_WORDS,
  saltOuter: 5 * HASH_WORDS + 4 * BLOCK_WORDS,
  hint: 6 * HASH_WORDS + 4 * BLOCK_WORDS,
} as const

/**
 * The hints of many devices, by number: HMAC-SHA-256 under hint keys, which are derived from the
 * devices' keys by HKDF-SHA-256 (RFC 5869). Four neighbours at a time, for that is how they are wanted:
 * at a start a hundred thousand, and as many again every minute. A device takes 64 bytes.
 */
export class HintKeys {
  readonly #lanes: Sha256Lanes
  readonly #memory: Int32Array
  /** For each group of neighbours the words of their states, lanes side by side. */
  #states = new Int32Array(GROUPS_MIN * GROUP_WORDS)
  /** The group whose new keys are still to be derived, and which of its lanes have one. */
  #newGroup = NONE
  readonly #isNew = new Uint8Array(LANES)
  readonly #newKeys = new Uint8Array(LANES * KEY_BYTES)
  /** Whose hints were made last, and for when. */
  #madeGroup = NONE
  #madeEpoch = 0

  constructor(lanes: Sha256Lanes = sha256Lanes()) {
    this.#lanes = lanes
    this.#memory = lanes.memory
    this.#prepare()
  }

  set(number: number, deviceKey: Uint8Array): void {
    const group = Math.floor(number / LANES)
    if (group !== this.#newGroup) this.#derive()
    this.#newGroup = group
    this.#isNew[number % LANES] = 1
    this.#newKeys.set(deviceKey, (number % LANES) * KEY_BYTES)
    this.#madeGroup = NONE
  }

  wipe(number: number): void {
    this.#derive()
    const first = Math.floor(number / LANES) * GROUP_WORDS + (number % LANES)
    for (let i = 0; i < STATE_WORDS; i++) this.#states[first + i * LANES] = 0
    this.#madeGroup = NONE
  }

  /** Makes the device's hint of that minute, for `high` and `low` to tell. */
  make(number: number, epoch: number): void {
    this.#derive()
    const group = Math.floor(number / LANES)
    this.#lane = number % LANES
    if (group === this.#madeGroup && epoch === this.#madeEpoch) return
    const memory = this.#memory
    for (let i = 0; i < GROUP_WORDS; i++) {
      memory[PLACE.inner * LANES + i] = this.#states[group * GROUP_WORDS + i]!
    }
    if (epoch !== this.#madeEpoch) {
      const high = Math.floor(epoch / 2 ** 32)
      this.#fill(PLACE.epoch, [high, epoch - high * 2 ** 32])
    }
    this.#hmac(PLACE.epoch, PLACE.hint)
    memory.fill(0, PLACE.inner * LANES, PLACE.inner * LANES + GROUP_WORDS)
    this.#madeGroup = group
    this.#madeEpoch = epoch
  }

  #lane = 0

  /** The hint's first four bytes, as a number. */
  get high(): number {
    return this.#memory[PLACE.hint * LANES + this.#lane]! >>> 0
  }

  /** Its last four. */
  get low(): number {
    return this.#memory[(PLACE.hint + 1) * LANES + this.#lane]! >>> 0
  }

  /** What never changes: states that many begin with, and messages but for what is in them. */
  #prepare(): void {
    this.#fill(PLACE.initial, SHA256.initial)
    this.#fill(PLACE.saltInner, SALT_STATE)
    this.#end(PLACE.digest, 4 * HASH_WORDS)
    // RFC 5869 section 2.3: the block's number ends what is expanded.
    const info = new Uint8Array(4 * BLOCK_WORDS)
    info.set([...KEY_INFO.hint, 1])
    const words = Array.from({ length: BLOCK_WORDS }, (_, i) => readU32(info, 4 * i))
    this.#fill(PLACE.info, words)
    this.#end(PLACE.info, KEY_INFO.hint.length + 1)
    this.#end(PLACE.epoch, 8)
  }

  /** RFC 5869 for the new lanes of a group, and of each key the states that HMAC (RFC 2104) begins with. */
  #derive(): void {
    const group = this.#newGroup
    if (group === NONE) return
    this.#newGroup = NONE
    const memory = this.#memory
    for (let lane = 0; lane < LANES; lane++) {
      for (let i = 0; i < HASH_WORDS; i++) {
        memory[(PLACE.digest + i) * LANES + lane] = readU32(this.#newKeys, lane * KEY_BYTES + 4 * i)
      }
    }
    this.#lanes.compress(PLACE.saltInner, PLACE.digest, PLACE.digest)
    this.#lanes.compress(PLACE.saltOuter, PLACE.digest, PLACE.key)
    this.#absorb()
    this.#hmac(PLACE.info, PLACE.key)
    this.#absorb()
    this.#keep(group)
    memory.fill(0, PLACE.secret, (PLACE.padded + HASH_WORDS) * LANES)
    memory.fill(0, PLACE.digest * LANES, (PLACE.digest + HASH_WORDS) * LANES)
    this.#newKeys.fill(0)
    this.#isNew.fill(0)
  }

  /** Of a message that fits a block, under the states in `inner` and `outer`. */
  #hmac(message: number, result: number): void {
    this.#lanes.compress(PLACE.inner, message, PLACE.digest)
    this.#lanes.compress(PLACE.outer, PLACE.digest, result)
  }

  #absorb(): void {
    this.#absorbWith(INNER_PAD, PLACE.inner)
    this.#absorbWith(OUTER_PAD, PLACE.outer)
  }

  #absorbWith(pad: number, state: number): void {
    const memory = this.#memory
    const padded = PLACE.padded * LANES
    const keyWords = HASH_WORDS * LANES
    for (let i = 0; i < keyWords; i++) memory[padded + i] = memory[PLACE.key * LANES + i]! ^ pad
    memory.fill(pad, padded + keyWords, padded + BLOCK_WORDS * LANES)
    this.#lanes.compress(PLACE.initial, PLACE.padded, state)
  }

  /** The other lanes keep what they have. */
  #keep(group: number): void {
    while ((group + 1) * GROUP_WORDS > this.#states.length) this.#grow()
    for (let lane = 0; lane < LANES; lane++) {
      if (!this.#isNew[lane]) continue
      for (let i = lane; i < GROUP_WORDS; i += LANES) {
        this.#states[group * GROUP_WORDS + i] = this.#memory[PLACE.inner * LANES + i]!
      }
    }
  }

  #grow(): void {
    const grown = new Int32Array(this.#states.length * 2)
    grown.set(this.#states)
    this.#states.fill(0)
    this.#states = grown
  }

  /** The same in every lane. */
  #fill(place: number, words: ArrayLike<number>): void {
    for (let i = 0; i < words.length; i++) {
      this.#memory.fill(words[i]!, (place + i) * LANES, (place + i + 1) * LANES)
    }
  }

  /** Ends a message behind a key's block as FIPS 180-4 section 5.1.1 says. */
  #end(place: number, bytes: number): void {
    const word = place + Math.floor(bytes / 4)
    const bit = 0x80 << (24 - 8 * (bytes % 4))
    this.#fill(word, [this.#memory[word * LANES]! | bit])
    this.#fill(place + BLOCK_WORDS - 1, [8 * (4 * BLOCK_WORDS + bytes)])
  }
}
