import { createHmac, hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  deriveKey,
  deriveKeys,
  derivePacketKeys,
  epochOf,
  hintAt,
  toHex,
} from '../../shared/src/index.ts'
import { bytesOf, time } from './arbitraries.ts'

const nodeHmac = (key: Uint8Array, message: Uint8Array) =>
  createHmac('sha256', key).update(message).digest('hex')

describe('the keys of a device', () => {
  it("are HKDF's (RFC 5869) as node:crypto has it", () => {
    fc.assert(
      fc.property(bytesOf(32), key => {
        const keys = deriveKeys(key)
        const derived = (info: string) =>
          Buffer.from(hkdfSync('sha256', key, 'oneknock/1', info, 32)).toString('hex')
        expect(toHex(keys.hint)).toBe(derived('hint'))
        expect(toHex(keys.knockEncrypt)).toBe(derived('knock encrypt'))
        expect(toHex(keys.knockAuthenticate)).toBe(derived('knock authenticate'))
        expect(toHex(keys.replyEncrypt)).toBe(derived('reply encrypt'))
        expect(toHex(keys.replyAuthenticate)).toBe(derived('reply authenticate'))
        for (const name of Object.keys(keys) as (keyof typeof keys)[]) {
          expect(deriveKey(key, name)).toEqual(keys[name])
        }
        const { hint: _, knockAuthenticate: __, ...packetKeys } = keys
        expect(derivePacketKeys(key)).toEqual(packetKeys)
      }),
    )
  })
})

describe('a hint', () => {
  it("is that of sent_at's minute, and another in the next", () => {
    fc.assert(
      fc.property(bytesOf(32), time, (key, ms) => {
        const epoch = epochOf(ms)
        const count = Buffer.alloc(8)
        count.writeBigUInt64BE(BigInt(epoch))
        expect(toHex(hintAt(key, epoch))).toBe(nodeHmac(key, count).slice(0, 16))
        expect(BigInt(epoch)).toBe(BigInt(ms) / 60_000n)
        expect(toHex(hintAt(key, epoch + 1))).not.toBe(toHex(hintAt(key, epoch)))
      }),
    )
  })
})
