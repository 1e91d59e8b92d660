import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MacStates } from '../../../server/src/core/macs.ts'
import { Presence } from '../../../server/src/core/presence.ts'
import { NativeMacs, nativeReplyTag } from '../../../server/src/native-macs.ts'
import {
  NONCE_BYTES,
  PACKET_BYTES,
  deriveKeys as protocolKeys,
  REPLY_BODY_BYTES,
  sealReplyBody,
  TAG_BYTES,
} from '../../../shared/src/index.ts'

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const nodeHmac = (key: Uint8Array, message: Uint8Array) =>
  new Uint8Array(createHmac('sha256', key).update(message).digest())

describe('MACs from states', () => {
  it("are node:crypto's, for every length and under each of many keys", () => {
    const keys = fc.array(key, { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(
        keys,
        fc.uint8Array({ maxLength: PACKET_BYTES }),
        fc.nat(39),
        (keys, bytes, i) => {
          const states = new MacStates()
          for (const [number, key] of keys.entries()) states.set(number, key)
          const number = i % keys.length
          const words = states.sign(number, bytes, bytes.length)
          const signed = new Uint8Array(TAG_BYTES)
          words.forEach((word, at) => {
            new DataView(signed.buffer).setInt32(4 * at, word)
          })
          expect(signed).toEqual(nodeHmac(keys[number]!, bytes))
        },
      ),
    )
  })
})

describe.each([
  { by: 'noble', make: () => new MacStates() },
  { by: 'OpenSSL', make: () => new NativeMacs() },
])('tags by $by', ({ make }) => {
  const signed = PACKET_BYTES - TAG_BYTES

  it('verify under the one key that made them, and not if one bit differs', () => {
    fc.assert(
      fc.property(
        fc.array(key, { minLength: 2, maxLength: 40 }),
        fc.uint8Array({ minLength: signed, maxLength: signed }),
        fc.nat(8 * PACKET_BYTES - 1),
        (keys, message, bit) => {
          const macs = make()
          for (const [number, key] of keys.entries()) macs.set(number, key)
          const packet = new Uint8Array(PACKET_BYTES)
          packet.set(message)
          packet.set(nodeHmac(keys[1]!, message), signed)
          for (const [number, key] of keys.entries()) {
            const isSame = key.every((byte, i) => byte === keys[1]![i])
            expect(macs.verifiesTag(number, packet)).toBe(isSame)
          }
          packet[bit >> 3]! ^= 1 << (bit & 7)
          expect(macs.verifiesTag(1, packet)).toBe(false)
        },
      ),
    )
  })

  it('verify nothing under a key that was wiped', () => {
    const macs = make()
    const key = new Uint8Array(32).fill(7)
    macs.set(0, key)
    const packet = new Uint8Array(PACKET_BYTES)
    packet.set(nodeHmac(key, packet.subarray(0, signed)), signed)
    expect(macs.verifiesTag(0, packet)).toBe(true)
    macs.wipe(0)
    expect(macs.verifiesTag(0, packet)).toBe(false)
  })
})

describe("a reply's tag by OpenSSL", () => {
  it("is the protocol's own, whatever was looked at before", () => {
    const macs = new NativeMacs()
    macs.set(0, new Uint8Array(32).fill(7))
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
    const body = bytes(REPLY_BODY_BYTES)
    fc.assert(
      fc.property(key, bytes(NONCE_BYTES), bytes(TAG_BYTES), body, (key, nonce, tag, body) => {
        const keys = protocolKeys(key)
        macs.verifiesTag(0, new Uint8Array(PACKET_BYTES).fill(0xff))
        const sealed = sealReplyBody(keys, nonce, tag, body, nativeReplyTag)
        expect(sealed).toEqual(sealReplyBody(keys, nonce, tag, body))
      }),
    )
  })
})

describe('presence', () => {
  it('never denies what was added, whatever was cleared, in bytes and in words', () => {
    const hint = fc.nat(0xffffffff)
    for (const lanes of [6, 22]) {
      fc.assert(
        fc.property(fc.array(fc.tuple(hint, fc.nat(lanes - 1)), { maxLength: 60 }), added => {
          const presence = new Presence(lanes, 4)
          for (const [high, epoch] of added) presence.add(high, presence.laneOf(epoch))
          for (let at = 0; at < presence.words; ) at += presence.clear(presence.laneOf(0), at, 7)
          for (const [high, epoch] of added) {
            const lane = presence.laneOf(epoch)
            expect((presence.lanesOf(high) & lane) !== 0).toBe(epoch !== 0)
          }
        }),
      )
    }
  })

  it('denies most of what was never added', () => {
    const presence = new Presence(6, 1000)
    for (let i = 0; i < 1000; i++)
      presence.add(Math.imul(i, 0x9e3779b1) >>> 0, presence.laneOf(i % 5))
    let denied = 0
    for (let i = 0; i < 1000; i++) {
      if (presence.lanesOf(Math.imul(i, 0x85ebca6b) >>> 0) === 0) denied++
    }
    expect(denied).toBeGreaterThan(900)
  })
})
