import { describe, expect, it } from 'vitest'
import { deriveKeys, fromHex, openReply, tagOf } from '../../shared/src/index.ts'
import { loadGood } from '../vectors/vectors.ts'
import { readPacket } from './reference.ts'

const good = loadGood()
const keys = deriveKeys(fromHex(good.device_key)!)
const packet = fromHex(good.packet.datagram)!
const reply = fromHex(good.reply.datagram)!
const moment = {
  devices: [keys],
  clockMs: good.packet.sent_at_ms,
  windowMs: 120_000,
  floorMs: 0,
  seen: [],
}

/** Each of the datagrams that differ in one bit. */
function* flips(
  datagram: Uint8Array,
): Generator<{ readonly bit: number; readonly flipped: Uint8Array }> {
  for (let bit = 0; bit < 8 * datagram.length; bit++) {
    const flipped = datagram.slice()
    flipped[bit >> 3]! ^= 0x80 >> (bit & 7)
    yield { bit, flipped }
  }
}

describe('one wrong bit', () => {
  it('in a packet is refused, wherever it is', () => {
    expect(readPacket(packet, moment).stage).toBeNull()
    const stages = [...flips(packet)].map(({ flipped }) => readPacket(flipped, moment).stage)
    expect(stages).toHaveLength(2048)
    expect(stages.slice(0, 64)).toEqual(new Array(64).fill('hint'))
    expect(stages.slice(64)).toEqual(new Array(2048 - 64).fill('tag'))
  })

  it('in a reply is refused, wherever it is', () => {
    expect(openReply(keys, tagOf(packet), reply).ok).toBe(true)
    const results = [...flips(reply)].map(({ flipped }) => openReply(keys, tagOf(packet), flipped))
    expect(results).toHaveLength(1024)
    expect(results).toEqual(new Array(1024).fill({ ok: false, error: { code: 'tag' } }))
  })

  it("in the packet's tag makes its reply another packet's", () => {
    for (const { flipped } of flips(tagOf(packet))) {
      expect(openReply(keys, flipped, reply)).toEqual({ ok: false, error: { code: 'tag' } })
    }
  })
})

describe('a part of a datagram', () => {
  it('is refused, however long', () => {
    for (let length = 0; length < packet.length; length++) {
      expect(readPacket(packet.subarray(0, length), moment)).toEqual({ stage: 'length' })
    }
    for (let length = 0; length < reply.length; length++) {
      const part = openReply(keys, tagOf(packet), reply.subarray(0, length))
      expect(part).toEqual({ ok: false, error: { code: 'length' } })
    }
  })
})

describe('where a datagram lies in memory', () => {
  it('makes no difference: sockets hand out slices of a pool', () => {
    for (let offset = 0; offset < 9; offset++) {
      const pool = Buffer.alloc(300 + offset)
      pool.set(packet, offset)
      const slice = pool.subarray(offset, offset + packet.length)
      expect(readPacket(slice, moment)).toEqual(readPacket(packet, moment))
      pool.set(reply, offset)
      const answer = pool.subarray(offset, offset + reply.length)
      expect(openReply(keys, tagOf(packet), answer).ok).toBe(true)
    }
  })
})
