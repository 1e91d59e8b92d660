import { expand, extract } from '@noble/hashes/hkdf.js'
import { type _HMAC, hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { equalBytes, writeU64 } from './bytes.ts'
import { EPOCH_MS, HINT_BYTES, KEY_BYTES, PROTOCOL, TAG_BYTES } from './constants.ts'

/** HKDF's salt, and its info for each key. */
export const KEY_SALT = utf8ToBytes(PROTOCOL)
export const KEY_INFO = {
  hint: utf8ToBytes('hint'),
  knockEncrypt: utf8ToBytes('knock encrypt'),
  knockAuthenticate: utf8ToBytes('knock authenticate'),
  replyEncrypt: utf8ToBytes('reply encrypt'),
  replyAuthenticate: utf8ToBytes('reply authenticate'),
} as const

/** The five keys that a device key gives, 32 bytes each. */
export type DerivedKeys = { readonly [name in keyof typeof KEY_INFO]: Uint8Array }

/** All of them, each as it is derived: whose HKDF it is differs by who has to be quick at what. */
export const keysBy = (derive: (name: keyof DerivedKeys) => Uint8Array): DerivedKeys => ({
  hint: derive('hint'),
  knockEncrypt: derive('knockEncrypt'),
  knockAuthenticate: derive('knockAuthenticate'),
  replyEncrypt: derive('replyEncrypt'),
  replyAuthenticate: derive('replyAuthenticate'),
})

/** HKDF-SHA-256 (RFC 5869) with one label for each use, so that no key serves two. */
export function deriveKeys(deviceKey: Uint8Array): DerivedKeys {
  const pseudorandom = new MacKey(extract(sha256, deviceKey, KEY_SALT))
  return keysBy(name => pseudorandom.sign(KEY_INFO[name], FIRST_BLOCK))
}

/** A key is as long as a hash, so the first block is all of it (RFC 5869 section 2.3). */
const FIRST_BLOCK = Uint8Array.of(1)

/** Only the hint key: what a server needs for a device that has never knocked. */
export const deriveHintKey = (deviceKey: Uint8Array): Uint8Array =>
  expand(sha256, extract(sha256, deviceKey, KEY_SALT), KEY_INFO.hint, KEY_BYTES)

type Hmac = _HMAC<ReturnType<typeof sha256.create>>

/**
 * HMAC-SHA-256 (RFC 2104) under one key, whose two key blocks are hashed once: half the work of a
 * MAC over one packet.
 */
export class MacKey {
  readonly #ready: Hmac
  readonly #work: Hmac
  readonly #tag = new Uint8Array(TAG_BYTES)

  constructor(key: Uint8Array) {
    this.#ready = hmac.create(sha256, key)
    this.#work = this.#ready.clone()
  }

  sign(...parts: readonly Uint8Array[]): Uint8Array {
    this.#compute(parts)
    return this.#tag.slice()
  }

  /** In constant time, without allocating: the tag stands at `offset` of `bytes`. */
  verifies(bytes: Uint8Array, offset: number, ...parts: readonly Uint8Array[]): boolean {
    this.#compute(parts)
    return equalBytes(this.#tag, 0, bytes, offset, TAG_BYTES)
  }

  #compute(parts: readonly Uint8Array[]): void {
    this.#ready._cloneInto(this.#work)
    for (const part of parts) this.#work.update(part)
    this.#work.digestInto(this.#tag)
  }
}

export const epochOf = (sentAt: number): number => Math.floor(sentAt / EPOCH_MS)

const epochBytes = new Uint8Array(8)

/** The first eight bytes of a packet: who sends it, to those who hold the key, for one minute. */
export function hintAt(hintKey: Uint8Array, epoch: number): Uint8Array {
  writeU64(epochBytes, 0, epoch)
  return hmac(sha256, hintKey, epochBytes).subarray(0, HINT_BYTES)
}
