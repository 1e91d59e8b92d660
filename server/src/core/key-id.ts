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
export function keyIdOf(device: Device): string | undefined {
  if (device.key.length === 0) return undefined
  const id = known.get(device) ?? idOf(device.key)
  known.set(device, id)
  return id
}

/** Every good knock asks, and a device never changes its key: a reload makes another device of it. */
const known = new WeakMap<Device, string>()

const idOf = (key: Uint8Array): string =>
  toHex(sha256.create().update(LABEL).update(key).digest().subarray(0, ID_BYTES))
