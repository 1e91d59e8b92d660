import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReplayMemory, TagSet } from '../../../server/src/core/replay.ts'
import { EPOCH_MS, epochOf, fromBase64Url, TAG_BYTES, toHex } from '../../../shared/src/index.ts'
import { asRead, FRESHNESS_MS, NOON } from '../kit.ts'

const tag = fc.uint8Array({ minLength: TAG_BYTES, maxLength: TAG_BYTES })
/** Tags that share their shard, their slot, or all but one byte. */
const closeTag = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3)).map(([a, b, c, d]) => {
  const bytes = new Uint8Array(TAG_BYTES)
  bytes[0] = a * 64
  bytes[7] = b * 8
  bytes[11] = c
  bytes[15] = d + 1
  return bytes
})
const anyTag = fc.oneof(tag, closeTag)

const kept = (bytes: Uint8Array) => toHex(bytes, 0, 16)

describe('a set of tags', () => {
  it('holds what a plain set of their first halves would', () => {
    fc.assert(
      fc.property(fc.array(anyTag, { maxLength: 300 }), fc.array(anyTag), (added, asked) => {
        const set = new TagSet()
        const model = new Set<string>()
        for (const one of added) {
          set.add(one)
          model.add(kept(one))
        }
        for (const one of [...added, ...asked]) expect(set.has(one)).toBe(model.has(kept(one)))
        expect(set.size).toBe(model.size)
        const recorded = set.record()
        for (const one of asked) set.add(one)
        const bytes = fromBase64Url(asRead(recorded))!
        const listed = Array.from({ length: bytes.length / 16 }, (_, i) =>
          toHex(bytes, 16 * i, 16 * i + 16),
        )
        expect(listed.sort()).toEqual([...model].sort())
      }),
    )
  })

  it('holds 100,000, and none that is not in it', () => {
    const set = new TagSet()
    const numbered = (i: number) => {
      const bytes = new Uint8Array(TAG_BYTES)
      new DataView(bytes.buffer).setUint32(0, Math.imul(i, 0x9e3779b1))
      new DataView(bytes.buffer).setUint32(4, Math.imul(i + 1, 0x85ebca6b))
      return bytes
    }
    for (let i = 0; i < 100_000; i++) set.add(numbered(i))
    expect(set.size).toBe(100_000)
    let wrong = 0
    for (let i = 0; i < 200_000; i++) if (set.has(numbered(i)) !== i < 100_000) wrong++
    expect(wrong).toBe(0)
  })
})

interface Packet {
  readonly tag: Uint8Array
  readonly device: string
  readonly sentAt: number
}

const DEVICES = ['alice/laptop', 'alice/phone']

const act = fc.oneof(
  fc.record({
    do: fc.constant('hear' as const),
    tag,
    device: fc.constantFrom(...DEVICES),
    off: fc.integer({ min: -FRESHNESS_MS, max: FRESHNESS_MS }),
  }),
  fc.record({ do: fc.constant('hear again' as const), which: fc.nat(50) }),
  fc.record({
    do: fc.constant('pass' as const),
    ms: fc.oneof(
      fc.integer({ min: 0, max: 5 * EPOCH_MS }),
      fc.integer({ min: -60 * EPOCH_MS, max: 60 * EPOCH_MS }),
    ),
  }),
  fc.record({ do: fc.constant('forget' as const) }),
  fc.record({ do: fc.constant('restart' as const) }),
)

describe('the replay memory', () => {
  /** Steps 5 and 6, as the gatekeeper does them. */
  const lets = (memory: ReplayMemory, { tag, device, sentAt }: Packet, now: number): boolean => {
    if (Math.abs(now - sentAt) > FRESHNESS_MS) return false
    if (sentAt <= memory.floor(device)) return false
    return !memory.has(tag, sentAt)
  }

  const copyOf = (memory: ReplayMemory): ReplayMemory => {
    const copy = new ReplayMemory(FRESHNESS_MS)
    copy.restore(asRead(memory.record()))
    return copy
  }

  it('lets no packet in twice, however the clock steps and whenever it forgets or starts again', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), acts => {
        let memory = new ReplayMemory(FRESHNESS_MS)
        let now = NOON
        const heard: Packet[] = []
        for (const one of acts) {
          if (one.do === 'pass') now += one.ms
          if (one.do === 'forget') memory.forget(now)
          if (one.do === 'restart') memory = copyOf(memory)
          if (one.do === 'hear again' && heard[one.which]) {
            expect(lets(memory, heard[one.which]!, now)).toBe(false)
          }
          if (one.do !== 'hear') continue
          const packet = { tag: one.tag, device: one.device, sentAt: now + one.off }
          if (!lets(memory, packet, now)) continue
          memory.add(packet.tag, packet.device, packet.sentAt)
          heard.push(packet)
        }
        for (let minute = -70; minute <= 70; minute++) {
          const then = now + minute * EPOCH_MS
          for (const packet of heard) expect(lets(memory, packet, then)).toBe(false)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('refuses no fresh packet of a device for what another one sent, or for what is remembered', () => {
    const memory = new ReplayMemory(FRESHNESS_MS)
    const packet = (sentAt: number, device = DEVICES[0]!): Packet => ({
      tag: new Uint8Array(TAG_BYTES).fill(sentAt % 251),
      device,
      sentAt,
    })
    memory.add(packet(NOON).tag, DEVICES[0]!, NOON)
    expect(lets(memory, packet(NOON - 100_000), NOON)).toBe(true)
    memory.forget(NOON + 10 * EPOCH_MS)
    expect(memory.floor(DEVICES[0]!)).toBe(NOON)
    expect(memory.floor(DEVICES[1]!)).toBe(0)
    expect(lets(memory, packet(NOON - 1, DEVICES[1]), NOON)).toBe(true)
    expect(lets(memory, packet(NOON + 1), NOON)).toBe(true)
    expect(lets(memory, packet(NOON), NOON)).toBe(false)
  })

  it('remembers no packet for longer than it must, and forgets nothing too early', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20 * EPOCH_MS), { maxLength: 50 }), offsets => {
        const memory = new ReplayMemory(FRESHNESS_MS)
        const sent = offsets.map((offset, i) => ({
          tag: new Uint8Array(TAG_BYTES).fill(i + 1),
          device: DEVICES[i % 2]!,
          sentAt: NOON + offset,
        }))
        for (const { tag, device, sentAt } of sent) memory.add(tag, device, sentAt)
        for (let now = NOON; now < NOON + 30 * EPOCH_MS; now += 20_000) {
          memory.forget(now)
          for (const { tag, sentAt } of sent) {
            if (now - sentAt <= FRESHNESS_MS) expect(memory.has(tag, sentAt)).toBe(true)
            if ((epochOf(sentAt) + 1) * EPOCH_MS + FRESHNESS_MS <= now) {
              expect(memory.has(tag, sentAt)).toBe(false)
            }
          }
        }
        expect(memory.size).toBe(0)
        for (const { device, sentAt } of sent) {
          expect(memory.floor(device)).toBeGreaterThanOrEqual(sentAt)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('is the same after a checkpoint', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(tag, fc.nat(10 * EPOCH_MS))), packets => {
        const memory = new ReplayMemory(FRESHNESS_MS)
        for (const [i, [one, offset]] of packets.entries()) {
          memory.add(one, DEVICES[i % 2]!, NOON + offset)
        }
        memory.forget(NOON + 5 * EPOCH_MS)
        const copy = copyOf(memory)
        expect(copy.size).toBe(memory.size)
        for (const [one, offset] of packets) {
          expect(copy.has(one, NOON + offset)).toBe(memory.has(one, NOON + offset))
        }
        for (const device of DEVICES) expect(copy.floor(device)).toBe(memory.floor(device))
      }),
    )
  })
})
