import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { absorbKey, hmac, MESSAGE_MAX, SHA1, SHA256 } from '../../shared/src/index.ts'

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
