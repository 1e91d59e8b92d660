import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HintKeys } from '../../../server/src/core/hint-keys.ts'
import { agree, LANES, plainLanes, vectorLanes } from '../../../server/src/core/sha256-lanes.ts'
import { absorbKey, deriveKey, hintAt, readU32, SHA256 } from '../../../shared/src/index.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

const kinds = [
  { name: "by the processor's vectors", make: () => vectorLanes()! },
  { name: 'one after the other', make: plainLanes },
]

it('uses no vectors that compute something else, in whichever lane', () => {
  const wrongIn = (word: number) => {
    const { memory, compress } = plainLanes()
    return {
      memory,
      compress(state: number, block: number, result: number) {
        compress(state, block, result)
        memory[word]! ^= 1
      },
    }
  }
  expect(agree(vectorLanes()!, plainLanes())).toBe(true)
  for (let word = 0; word < LANES * SHA256.words; word++) {
    expect(agree(wrongIn(word), plainLanes())).toBe(false)
  }
})

describe.each(kinds)('SHA-256 in lanes, $name', ({ make }) => {
  it('is SHA-256 in each lane, wherever the result goes', () => {
    const lanes = make()
    const place = fc.constantFrom(0, 8, 24)
    fc.assert(
      fc.property(
        fc.array(bytes(55), { minLength: LANES, maxLength: LANES }),
        place,
        (texts, to) => {
          for (const [lane, text] of texts.entries()) {
            const block = new Uint8Array(64)
            block.set([...text, 0x80])
            new DataView(block.buffer).setUint32(60, 8 * text.length)
            for (let i = 0; i < 8; i++) lanes.memory[LANES * i + lane] = SHA256.initial[i]!
            for (let i = 0; i < 16; i++)
              lanes.memory[LANES * (8 + i) + lane] = readU32(block, 4 * i)
          }
          lanes.compress(0, 8, to)
          for (const [lane, text] of texts.entries()) {
            const hash = createHash('sha256').update(text).digest()
            const words = Array.from({ length: 8 }, (_, i) => hash.readInt32BE(4 * i))
            const found = words.map((_, i) => lanes.memory[LANES * (to + i) + lane])
            expect(found).toEqual(words)
          }
        },
      ),
    )
  })

  it("gives every device the protocol's hints, in whatever order keys come and go", () => {
    const number = fc.nat(40)
    const step = fc.oneof(
      fc.record({ do: fc.constant('set' as const), number, key: bytes(32) }),
      fc.record({ do: fc.constant('wipe' as const), number }),
      fc.record({ do: fc.constant('make' as const), number, epoch: fc.maxSafeNat() }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.maxSafeNat(), (steps, epoch) => {
        const keys = new HintKeys(make())
        const expected = new Map<number, Uint8Array>()
        const check = (number: number, epoch: number) => {
          const key = expected.get(number)
          if (!key) return
          keys.make(number, epoch)
          const hint = hintAt(deriveKey(key, 'hint'), epoch)
          expect([keys.high, keys.low]).toEqual([readU32(hint, 0), readU32(hint, 4)])
        }
        for (const one of steps) {
          if (one.do === 'set') {
            keys.set(one.number, one.key)
            expected.set(one.number, one.key)
          }
          if (one.do === 'wipe') {
            keys.wipe(one.number)
            expected.delete(one.number)
          }
          if (one.do === 'make') check(one.number, one.epoch)
        }
        for (const number of expected.keys()) check(number, epoch)
      }),
      { numRuns: 50 },
    )
  })
})

it('leaves no key in the memory of the lanes, nor what stands for one', () => {
  const lanes = plainLanes()
  const keys = new HintKeys(lanes)
  const all = Array.from({ length: 9 }, (_, number) => new Uint8Array(32).fill(17 * number + 1))
  for (const [number, key] of all.entries()) keys.set(number, key)
  for (const number of all.keys()) keys.make(number, 7)
  const secrets = all.flatMap(key => {
    const hintKey = deriveKey(key, 'hint')
    const states = new Int32Array(2 * SHA256.words)
    absorbKey(SHA256, hintKey, states, 0)
    return [...wordsOf(key), ...wordsOf(hintKey), ...states]
  })
  const left = new Set(lanes.memory)
  expect(secrets.filter(word => left.has(word))).toEqual([])
})

const wordsOf = (key: Uint8Array): number[] =>
  Array.from({ length: key.length / 4 }, (_, i) => readU32(key, 4 * i) | 0)
