import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  equalBytes,
  fromBase64Url,
  fromHex,
  isName,
  isPrintableAscii,
  isZero,
  readAscii,
  readU32,
  readU64,
  toBase64Url,
  toHex,
  writeAscii,
  writeU32,
  writeU64,
} from '../../shared/src/index.ts'
import { printable } from './arbitraries.ts'

const bytes = fc.uint8Array({ maxLength: 80 })

describe('hexadecimal', () => {
  it('is what Node makes of it, and gives the bytes back', () => {
    fc.assert(
      fc.property(bytes, value => {
        expect(toHex(value)).toBe(Buffer.from(value).toString('hex'))
        expect(fromHex(toHex(value))).toEqual(value)
        expect(fromHex(toHex(value).toUpperCase())).toEqual(value)
        expect(toHex(value, 1, value.length - 1)).toBe(toHex(value.subarray(1, -1)))
      }),
    )
  })

  it.each(['0', 'abc', '0g', ' 00', '00 ', '0x00', '00\n', '٠٠', '+1', '-1'])('is not %j', text =>
    expect(fromHex(text)).toBeUndefined(),
  )
})

describe('base64url', () => {
  it('is what Node makes of it, and gives the bytes back', () => {
    fc.assert(
      fc.property(bytes, value => {
        expect(toBase64Url(value)).toBe(Buffer.from(value).toString('base64url'))
        expect(fromBase64Url(toBase64Url(value))).toEqual(value)
      }),
    )
  })

  it('has one text for some bytes: no other is taken', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const nearly = fc.string({
      unit: fc.oneof({ weight: 30, arbitrary: fc.constantFrom(...alphabet) }, fc.string()),
      maxLength: 8,
    })
    let taken = 0
    fc.assert(
      fc.property(nearly, text => {
        const canonical = Buffer.from(text, 'base64url')
        const isCanonical = canonical.toString('base64url') === text
        const parsed = fromBase64Url(text)
        expect(parsed && toHex(parsed)).toBe(isCanonical ? toHex(canonical) : undefined)
        if (isCanonical) taken++
      }),
      { numRuns: 5000 },
    )
    expect(taken).toBeGreaterThan(100)
  })

  it.each(['A', 'AB', 'AAB', 'AAAAA', 'AA==', 'AA=', 'A+', 'A/', 'A A', 'AA\n', 'AAÁA'])(
    'is not %j',
    text => expect(fromBase64Url(text)).toBeUndefined(),
  )
})

describe('numbers on the wire', () => {
  it('are big-endian, and come back', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer({ min: 0, max: 2 ** 32 - 1 }), (large, small) => {
        const wire = new Uint8Array(14)
        writeU64(wire, 1, large)
        writeU32(wire, 9, small)
        const view = Buffer.from(wire)
        expect(view.readBigUInt64BE(1)).toBe(BigInt(large))
        expect(view.readUInt32BE(9)).toBe(small)
        expect([readU64(wire, 1), readU32(wire, 9)]).toEqual([large, small])
        expect([wire[0], wire[13]]).toEqual([0, 0])
      }),
    )
  })

  it('above 2^53 - 1 are never read as if they were below', () => {
    const greatest = BigInt(Number.MAX_SAFE_INTEGER)
    fc.assert(
      fc.property(fc.bigInt({ min: greatest + 1n, max: 2n ** 64n - 1n }), value => {
        const wire = Buffer.alloc(8)
        wire.writeBigUInt64BE(value)
        expect(readU64(wire, 0)).toBeGreaterThan(Number.MAX_SAFE_INTEGER)
      }),
    )
  })
})

describe('printable ASCII', () => {
  it('comes back, and nothing else is read as such', () => {
    fc.assert(
      fc.property(printable(40), text => {
        const wire = new Uint8Array(text.length + 2)
        writeAscii(wire, 1, text)
        expect(readAscii(wire, 1, text.length)).toBe(text)
        expect(isPrintableAscii(text)).toBe(true)
      }),
    )
    for (let byte = 0; byte < 256; byte++) {
      const isPrintable = byte >= 0x20 && byte <= 0x7e
      const text = String.fromCharCode(byte)
      expect(readAscii(Uint8Array.of(65, byte, 65), 0, 3)).toBe(
        isPrintable ? `A${text}A` : undefined,
      )
      expect(isPrintableAscii(`A${text}A`)).toBe(isPrintable)
    }
    expect(isPrintableAscii('A\n')).toBe(false)
  })
})

describe('comparing bytes', () => {
  it('says what Node says', () => {
    const pair = bytes.chain(a =>
      fc.oneof(
        fc.constant([a, a.slice()] as const),
        fc.uint8Array({ minLength: a.length, maxLength: a.length }).map(b => [a, b] as const),
        fc.tuple(fc.nat(), fc.nat({ max: 7 })).map(([at, bit]) => {
          const b = a.slice()
          if (b.length > 0) b[at % b.length]! ^= 1 << bit
          return [a, b] as const
        }),
      ),
    )
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const expected = Buffer.from(a).equals(b)
        expect(equalBytes(a, 0, b, 0, a.length)).toBe(expected)
        const shifted = Uint8Array.of(1, 2, 3, ...b)
        expect(equalBytes(a, 0, shifted, 3, a.length)).toBe(expected)
      }),
    )
  })

  it('never takes what lies beyond the end for equal', () => {
    const zeros = new Uint8Array(4)
    expect(equalBytes(zeros, 0, new Uint8Array(3), 0, 4)).toBe(false)
    expect(equalBytes(zeros, 1, zeros, 0, 4)).toBe(false)
    expect(equalBytes(new Uint8Array(), 0, new Uint8Array(), 0, 1)).toBe(false)
    expect(equalBytes(new Uint8Array(), 0, new Uint8Array(), 0, 0)).toBe(true)
  })

  it('finds the one byte that is not zero', () => {
    for (let at = 0; at < 6; at++) {
      const wire = new Uint8Array(6)
      wire[at] = 0x80
      for (let start = 0; start <= 6; start++) {
        for (let end = start; end <= 6; end++) {
          expect(isZero(wire, start, end)).toBe(at < start || at >= end)
        }
      }
    }
  })
})

describe('a name', () => {
  it.each(['a', '-', '0', 'my-laptop-2', 'a'.repeat(32)])('may be %j', text =>
    expect(isName(text)).toBe(true),
  )

  it.each(['', 'A', 'a b', 'a_b', 'a.b', 'a\n', '\na', 'ä', 'a/b', '..', 'a'.repeat(33), 'ａ'])(
    'may not be %j',
    text => expect(isName(text)).toBe(false),
  )
})
