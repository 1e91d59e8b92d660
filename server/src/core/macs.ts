import { AT, absorbKey, hmac, readU32, SHA256 } from '@oneknock/shared'

const HASH_WORDS = SHA256.words
/** The inner hash's and the outer one's. */
const STATE_WORDS = 2 * HASH_WORDS
const STATES_MIN = 16

/** Who says whether a device made a packet: HMAC-SHA-256 under many keys of 32 bytes, by number. */
export interface TagMacs {
  set(number: number, key: Uint8Array): void
  wipe(number: number): void
  /** In constant time: whether the MAC of the packet's first bytes is the tag that stands behind them. */
  verifiesTag(number: number, packet: Uint8Array): boolean
}

/**
 * HMAC-SHA-256 under many keys of 32 bytes, by number: a MAC costs its message alone and allocates
 * nothing, and a key takes 64 bytes, so those of 100,000 devices stay at hand.
 */
export class MacStates implements TagMacs {
  #states = new Int32Array(STATES_MIN * STATE_WORDS)

  set(number: number, key: Uint8Array): void {
    while ((number + 1) * STATE_WORDS > this.#states.length) this.#grow()
    absorbKey(SHA256, key, this.#states, number * STATE_WORDS)
  }

  wipe(number: number): void {
    this.#states.fill(0, number * STATE_WORDS, (number + 1) * STATE_WORDS)
  }

  verifiesTag(number: number, packet: Uint8Array): boolean {
    const tag = this.sign(number, packet, AT.tag)
    let difference = 0
    for (let i = 0; i < HASH_WORDS; i++) difference |= tag[i]! ^ readU32(packet, AT.tag + 4 * i)
    return difference === 0
  }

  /** The MAC of the first `length` bytes; good until the next MAC under any key. */
  sign(number: number, bytes: Uint8Array, length: number): Int32Array {
    hmac(SHA256, this.#states, number * STATE_WORDS, bytes, length, mac)
    return mac
  }

  #grow(): void {
    const grown = new Int32Array(this.#states.length * 2)
    grown.set(this.#states)
    this.#states.fill(0)
    this.#states = grown
  }
}

/** Of the last MAC. */
const mac = new Int32Array(HASH_WORDS)
