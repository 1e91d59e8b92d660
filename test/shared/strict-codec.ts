import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Result, toHex } from '../../shared/src/index.ts'
import { bytesOf, changed } from './arbitraries.ts'

interface Codec<T> {
  readonly values: fc.Arbitrary<T>
  readonly encode: (value: T) => Uint8Array
  readonly parse: (bytes: Uint8Array) => Result<T, unknown>
  /** How many bytes every encoding has. */
  readonly length: number
}

/** Encoding and parsing are each other's inverse, and there is one encoding of each value. */
export function strictCodec<T>(what: string, { values, encode, parse, length }: Codec<T>): void {
  it(`gives back the ${what} that was encoded`, () => {
    fc.assert(
      fc.property(values, value => {
        expect(parse(encode(value))).toEqual({ ok: true, value })
      }),
      { numRuns: 2000 },
    )
  })

  it('is the only encoding of what it parses to', () => {
    let parsedRuns = 0
    fc.assert(
      fc.property(changed(values.map(encode)), body => {
        const parsed = parse(body)
        if (!parsed.ok) return
        parsedRuns++
        expect(toHex(encode(parsed.value))).toBe(toHex(body))
      }),
      { numRuns: 4000 },
    )
    expect(parsedRuns).toBeGreaterThan(400)
  })

  it('never throws, whatever bytes it is, and of whatever length', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), bytesOf(length)), body => {
        expect(typeof parse(body).ok).toBe('boolean')
      }),
      { numRuns: 2000 },
    )
  })
}
