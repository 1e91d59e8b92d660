import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  absorbKey,
  fromHex,
  hmac,
  MESSAGE_MAX,
  macUnder,
  SHA1,
  SHA256,
  toHex,
} from '../../shared/src/index.ts'

const ascii = (text: string) => new TextEncoder().encode(text)

describe.each([
  { name: 'sha1', hash: SHA1 },
  { name: 'sha256', hash: SHA256 },
])('HMAC by states, $name', ({ name, hash }) => {
  it("is node:crypto's, for every length of key and message, wherever the states stand", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.uint8Array({ maxLength: MESSAGE_MAX }),
        fc.nat(MESSAGE_MAX),
        fc.nat(3),
        (key, bytes, cut, place) => {
          const length = Math.min(cut, bytes.length)
          const states = new Int32Array(2 * hash.words * 4)
          const at = 2 * hash.words * place
          absorbKey(hash, key, states, at)
          const mac = new Int32Array(hash.words)
          hmac(hash, states, at, bytes, length, mac)
          const expected = createHmac(name, key).update(bytes.subarray(0, length)).digest()
          expect([...mac]).toEqual([...mac].map((_, i) => expected.readInt32BE(4 * i)))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('leaves states as they were, so that one key makes many', () => {
    const states = new Int32Array(2 * hash.words)
    absorbKey(hash, new Uint8Array(20).fill(3), states, 0)
    const before = [...states]
    const [first, second] = [new Int32Array(hash.words), new Int32Array(hash.words)]
    hmac(hash, states, 0, new Uint8Array(100), 100, first)
    hmac(hash, states, 0, new Uint8Array(100), 100, second)
    expect(second).toEqual(first)
    expect([...states]).toEqual(before)
  })
})

describe('a MAC under a key', () => {
  // RFC 4231 section 4; keys longer than a block are none of ours.
  const cases: readonly (readonly [Uint8Array, Uint8Array, string])[] = [
    [
      new Uint8Array(20).fill(0x0b),
      ascii('Hi There'),
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    ],
    [
      ascii('Jefe'),
      ascii('what do ya want for nothing?'),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
    [
      new Uint8Array(20).fill(0xaa),
      new Uint8Array(50).fill(0xdd),
      '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
    ],
    [
      fromHex('0102030405060708090a0b0c0d0e0f10111213141516171819')!,
      new Uint8Array(50).fill(0xcd),
      '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
    ],
  ]
  it.each(cases)('is that of RFC 4231 (%#)', (key, data, tag) => {
    expect(toHex(macUnder(key, data, data.length))).toBe(tag)
  })

  it("is node:crypto's, whatever was signed before", () => {
    const one = fc.tuple(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ maxLength: MESSAGE_MAX }),
    )
    fc.assert(
      fc.property(fc.array(one, { maxLength: 6 }), signed => {
        for (const [key, message] of signed) {
          const expected = createHmac('sha256', key).update(message).digest('hex')
          expect(toHex(macUnder(key, message, message.length))).toBe(expected)
        }
      }),
    )
  })
})
