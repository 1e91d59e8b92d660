import { utf8ToBytes } from '@noble/hashes/utils.js'
import { writeU64 } from './bytes.ts'
import { EPOCH_MS, HINT_BYTES, KEY_BYTES, PROTOCOL } from './constants.ts'
import { absorbKey, hmac, macUnder, SHA256, writeWords } from './hmac.ts'

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

type KeyName = keyof DerivedKeys

const HASH_WORDS = SHA256.words
/** The inner hash's and the outer one's. */
const STATE_WORDS = 2 * HASH_WORDS

/** Of the salt: what each extraction begins with. */
export const SALT_STATE = new Int32Array(STATE_WORDS)
absorbKey(SHA256, KEY_SALT, SALT_STATE, 0)

/** Keys of 32 bytes are one block of HKDF's output, the one numbered 1. */
const BLOCK_NUMBER = 1
const work = {
  mac: new Int32Array(HASH_WORDS),
  bytes: new Uint8Array(KEY_BYTES),
  state: new Int32Array(STATE_WORDS),
  /** Longer than any of them. */
  info: new Uint8Array(32),
}

/**
 * One of a device's keys: HKDF-SHA-256 (RFC 5869) with one label for each use, so that no key serves
 * two. By states: a fourth of what a library's takes that knows no salt, and a start may have 100,000.
 */
export function deriveKey(deviceKey: Uint8Array, name: KeyName): Uint8Array {
  extract(deviceKey)
  const key = expand(name)
  forget()
  return key
}

/** What a server opens packets and seals replies with, once it knows whose they are. */
export type PacketKeys = Omit<DerivedKeys, 'hint' | 'knockAuthenticate'>

export function derivePacketKeys(deviceKey: Uint8Array): PacketKeys {
  extract(deviceKey)
  const keys = {
    knockEncrypt: expand('knockEncrypt'),
    replyEncrypt: expand('replyEncrypt'),
    replyAuthenticate: expand('replyAuthenticate'),
  }
  forget()
  return keys
}

/** All of them. */
export function deriveKeys(deviceKey: Uint8Array): DerivedKeys {
  extract(deviceKey)
  const keys = {
    hint: expand('hint'),
    knockEncrypt: expand('knockEncrypt'),
    knockAuthenticate: expand('knockAuthenticate'),
    replyEncrypt: expand('replyEncrypt'),
    replyAuthenticate: expand('replyAuthenticate'),
  }
  forget()
  return keys
}

/** RFC 5869 section 2.2; the pseudorandom key is what `expand` works with until it is forgotten. */
function extract(deviceKey: Uint8Array): void {
  hmac(SHA256, SALT_STATE, 0, deviceKey, KEY_BYTES, work.mac)
  writeWords(work.mac, work.bytes)
  absorbKey(SHA256, work.bytes, work.state, 0)
}

/** RFC 5869 section 2.3. */
function expand(name: KeyName): Uint8Array {
  const info = KEY_INFO[name]
  const key = new Uint8Array(KEY_BYTES)
  work.info.set(info)
  work.info[info.length] = BLOCK_NUMBER
  hmac(SHA256, work.state, 0, work.info, info.length + 1, work.mac)
  writeWords(work.mac, key)
  return key
}

function forget(): void {
  work.bytes.fill(0)
  work.state.fill(0)
}

export const epochOf = (sentAt: number): number => Math.floor(sentAt / EPOCH_MS)

const epochBytes = new Uint8Array(8)

/** The first eight bytes of a packet: who sends it, to those who hold the key, for one minute. */
export function hintAt(hintKey: Uint8Array, epoch: number): Uint8Array {
  writeU64(epochBytes, 0, epoch)
  return macUnder(hintKey, epochBytes, epochBytes.length).slice(0, HINT_BYTES)
}
