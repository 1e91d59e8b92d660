import {
  AT,
  absorbKey,
  type DerivedKeys,
  hmac,
  KEY_BYTES,
  KEY_INFO,
  KEY_SALT,
  keysBy,
  readU32,
  SHA256,
  writeU32,
} from '@oneknock/shared'

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

/** Of HKDF's salt: what each extraction begins with. */
export const SALT_STATE = new Int32Array(STATE_WORDS)
absorbKey(SHA256, KEY_SALT, SALT_STATE, 0)
/** Keys of 32 bytes are one block of HKDF's output, the one numbered 1. */
const BLOCK_NUMBER = 1
const work = { bytes: new Uint8Array(KEY_BYTES), state: new Int32Array(STATE_WORDS) }

type KeyName = keyof DerivedKeys

/**
 * One of a device's keys, by HKDF-SHA-256 (RFC 5869) as in `@oneknock/shared`, in a quarter of the
 * time: at a start there may be 100,000 to derive.
 */
export function deriveKey(deviceKey: Uint8Array, name: KeyName): Uint8Array {
  extract(deviceKey)
  const key = expand(name)
  forget()
  return key
}

/** All of them. */
export function deriveKeys(deviceKey: Uint8Array): DerivedKeys {
  extract(deviceKey)
  const keys = keysBy(expand)
  forget()
  return keys
}

/** RFC 5869 section 2.2; the pseudorandom key is what `expand` works with until it is forgotten. */
function extract(deviceKey: Uint8Array): void {
  hmac(SHA256, SALT_STATE, 0, deviceKey, KEY_BYTES, mac)
  writeWords(mac, work.bytes)
  absorbKey(SHA256, work.bytes, work.state, 0)
}

/** RFC 5869 section 2.3. */
function expand(name: KeyName): Uint8Array {
  const info = EXPANDED[name]
  const key = new Uint8Array(KEY_BYTES)
  hmac(SHA256, work.state, 0, info, info.length, mac)
  writeWords(mac, key)
  return key
}

function forget(): void {
  work.bytes.fill(0)
  work.state.fill(0)
}

const EXPANDED = Object.fromEntries(
  Object.entries(KEY_INFO).map(([name, info]) => [name, Uint8Array.of(...info, BLOCK_NUMBER)]),
) as DerivedKeys

function writeWords(words: Int32Array, bytes: Uint8Array): void {
  for (let i = 0; i < HASH_WORDS; i++) writeU32(bytes, 4 * i, words[i]!)
}
