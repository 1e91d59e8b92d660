import { createHash, randomBytes } from 'node:crypto'
import { FACTOR_MAX } from '@oneknock/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashRecoveryCode, newRecoveryCode } from '../../../server/src/core/recovery.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const code = bytes(28).map(random => newRecoveryCode(() => random))
const salt = bytes(16)

describe('a recovery code', () => {
  it('is seven groups of base32, which a packet holds', () => {
    fc.assert(
      fc.property(code, text => {
        expect(text).toMatch(/^([a-z2-7]{4}-){6}[a-z2-7]{4}$/)
        expect(text.length).toBeLessThanOrEqual(FACTOR_MAX)
      }),
    )
  })

  it('has 140 bits: each character takes five of its own', () => {
    const asked: number[] = []
    const zero = newRecoveryCode(length => {
      asked.push(length)
      return new Uint8Array(length)
    })
    expect(asked).toEqual([28])
    expect(zero).toBe('aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaa')
    for (let i = 0; i < 28; i++) {
      const seen = Array.from({ length: 256 }, (_, value) =>
        newRecoveryCode(length => new Uint8Array(length).fill(0).fill(value, i, i + 1)),
      )
      expect(new Set(seen).size).toBe(32)
    }
    expect(newRecoveryCode(randomBytes)).not.toBe(newRecoveryCode(randomBytes))
  })

  it('is kept as SHA-256 of the salt and the bare code', () => {
    fc.assert(
      fc.property(salt, code, (salt, text) => {
        const expected = createHash('sha256').update(salt).update(text.replaceAll('-', '')).digest()
        expect(Buffer.from(hashRecoveryCode(salt, text))).toEqual(expected)
      }),
    )
  })

  it('is the same however it is typed', () => {
    const filler = fc.stringMatching(/^[ -]{0,3}$/)
    const typed = fc.tuple(code, fc.infiniteStream(fc.tuple(filler, fc.boolean())))
    fc.assert(
      fc.property(salt, typed, (salt, [text, noise]) => {
        const sloppy = [...text.replaceAll('-', '')].map(letter => {
          const [before, upper] = noise.next().value!
          return `${before}${upper ? letter.toUpperCase() : letter}`
        })
        expect(hashRecoveryCode(salt, sloppy.join(''))).toEqual(hashRecoveryCode(salt, text))
      }),
    )
  })

  it('is another with one letter changed, or another salt', () => {
    fc.assert(
      fc.property(salt, code, fc.nat(27), (salt, text, at) => {
        const letters = [...text.replaceAll('-', '')]
        letters[at] = letters[at] === 'a' ? 'b' : 'a'
        const hash = hashRecoveryCode(salt, text)
        expect(hashRecoveryCode(salt, letters.join(''))).not.toEqual(hash)
        const other = salt.with(0, salt[0]! ^ 1)
        expect(hashRecoveryCode(other, text)).not.toEqual(hash)
      }),
    )
  })

  it('never throws, whatever is given', () => {
    fc.assert(
      fc.property(salt, fc.string({ unit: 'binary' }), (salt, any) => {
        expect(hashRecoveryCode(salt, any)).toHaveLength(32)
      }),
    )
  })
})
