import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deriveKeys, MacStates } from '../../../server/src/core/macs.ts'
import { Presence } from '../../../server/src/core/presence.ts'
import { PACKET_BYTES, deriveKeys as protocolKeys, TAG_BYTES } from '../../../shared/src/index.ts'

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

  it('verify what they sign, and nothing that differs in one bit', () => {
    const length = PACKET_BYTES - TAG_BYTES
    fc.assert(
      fc.property(
        key,
        fc.uint8Array({ minLength: length, maxLength: length }),
        fc.nat(8 * PACKET_BYTES - 1),
        (key, message, bit) => {
          const states = new MacStates()
          states.set(3, key)
          const packet = new Uint8Array(PACKET_BYTES)
          packet.set(message)
          packet.set(nodeHmac(key, message), length)
          expect(states.verifies(3, packet, length)).toBe(true)
          packet[bit >> 3]! ^= 1 << (bit & 7)
          expect(states.verifies(3, packet, length)).toBe(false)
        },
      ),
    )
  })

  it('verify nothing under a key that was wiped', () => {
    const states = new MacStates()
    const key = new Uint8Array(32).fill(7)
    states.set(0, key)
    const packet = new Uint8Array(PACKET_BYTES)
    packet.set(nodeHmac(key, packet.subarray(0, 224)), 224)
    expect(states.verifies(0, packet, 224)).toBe(true)
    states.wipe(0)
    expect(states.verifies(0, packet, 224)).toBe(false)
  })
})

describe("a device's keys", () => {
  it('are those of the protocol', () => {
    fc.assert(
      fc.property(key, key => {
        expect(deriveKeys(key)).toEqual(protocolKeys(key))
      }),
      { numRuns: 30 },
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
          presence.clear(presence.laneOf(0))
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
