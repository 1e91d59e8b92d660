import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from '@oneknock/shared'
import type { Device } from './directory.ts'

const LABEL = new TextEncoder().encode('oneknock device')
/** 64 bits: no two keys of a server ever meet in them, and of 256 random bits they tell nothing. */
const ID_BYTES = 8

/**
 * Names a device's key in the ledger, without telling it: another key under the same label is another
 * device. `undefined` for what knocks without a key (`doors.ts`).
 */
export function keyIdOf({ key }: Device): string | undefined {
  if (key.length === 0) return undefined
  return toHex(sha256.create().update(LABEL).update(key).digest().subarray(0, ID_BYTES))
}
