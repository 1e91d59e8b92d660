import { xchacha20 as noble } from '@noble/ciphers/chacha.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../shared/src/index.ts'
import { xchacha20 } from '../../shared/src/xchacha.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe('XChaCha20', () => {
  it("is the draft's own example", () => {
    // draft-irtf-cfrg-xchacha-03, A.3.2: the first block is left out there by its counter of 1.
    const key = fromHex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f')!
    const nonce = fromHex('404142434445464748494a4b4c4d4e4f5051525354555658')!
    const text = 'The dhole (pronounced "dole") is also known as the Asiatic wild dog'
    const plain = new Uint8Array([...new Uint8Array(64), ...new TextEncoder().encode(text)])
    expect(toHex(xchacha20(key, nonce, plain)).slice(128)).toBe(
      '7d0a2e6b7f7c65a236542630294e063b7ab9b555a5d5149aa21e4ae1e4fbce87' +
        'ecc8e08a8b5e350abe622b2ffa617b202cfad72032a3037e76ffdcdc4376ee05' +
        '3a190d',
    )
  })

  it("is noble's, of every length, wherever the bytes stand, and in place", () => {
    fc.assert(
      fc.property(bytes(32), bytes(25), fc.uint8Array({ maxLength: 300 }), (key, odd, data) => {
        const nonce = odd.subarray(1)
        const expected = noble(key, nonce, data)
        const kept = [key, odd].map(its => toHex(its))
        expect(xchacha20(key, nonce, data)).toEqual(expected)
        const shifted = Buffer.concat([Buffer.alloc(3), data]).subarray(3)
        expect(xchacha20(key, nonce, shifted, shifted)).toBe(shifted)
        expect(new Uint8Array(shifted)).toEqual(expected)
        expect(xchacha20(key, nonce, shifted)).toEqual(data)
        expect([key, odd].map(its => toHex(its))).toEqual(kept)
      }),
    )
  })

  it.each([
    [31, 24],
    [33, 24],
    [32, 12],
    [32, 23],
    [32, 25],
  ])('takes no key of %i bytes with a nonce of %i', (key, nonce) => {
    expect(() => xchacha20(new Uint8Array(key), new Uint8Array(nonce), new Uint8Array(1))).toThrow(
      RangeError,
    )
  })
})
