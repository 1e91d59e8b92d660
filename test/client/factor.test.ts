import { encodeKnock, parseFactor } from '@oneknock/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, parseDuration } from '../../client/src/duration.ts'
import { quote } from '../../client/src/quote.ts'
import { address } from './fake-world.ts'

describe('a code as typed', () => {
  it.each([
    ['123456', 'totp', '123456'],
    [' 123 456\n', 'totp', '123456'],
    ['cccjgjgkhcbbirdrfdnlnghhfgrtnnlgedjlftrbdeut', 'yubikey', undefined],
    ['c'.repeat(32), 'yubikey', undefined],
    ['v'.repeat(48), 'yubikey', undefined],
    // 28 letters at most, without their dashes.
    ['c'.repeat(28), 'recovery', undefined],
    ['abcd-efgh-ijkl-mnop-qrst-uvwx-yz23', 'recovery', undefined],
    ['ABCD efgh ijkl mnop qrst', 'recovery', undefined],
  ])('%j is a %s code', (text, kind, code = text) => {
    expect(parseFactor(text)).toEqual({ ok: true, value: { kind, code } })
  })

  it.each([
    ['', 'empty'],
    [' \n', 'empty'],
    ['12345', '6 digits, not 5'],
    ['1234567', '6 digits, not 7'],
    ['123\n456', 'one line'],
    ['a\tb', 'one line'],
    ['código', 'one line'],
    ['12345o', 'an authenticator shows 6 digits'],
    ['No such account', 'this is no code'],
    ['abcd-efgh-ijkl-mnop-qrs', 'a recovery code is longer'],
    ['x'.repeat(49), '48 characters at most'],
    ['c'.repeat(50), 'a touch has 48 letters at most; write a public id of 12'],
    ['c'.repeat(64), 'a touch has 48 letters at most'],
    ['c'.repeat(66), 'a code has 48 characters at most'],
  ])('%j is none, and is not repeated', (text, words) => {
    const parsed = parseFactor(text)
    const message = parsed.ok ? '' : parsed.error.message
    expect(message).toContain(words)
    if (text.trim().length > 2) expect(message).not.toContain(text.trim())
  })

  it('is always one that a packet can hold', () => {
    let codes = 0
    // Of texts by chance hardly one is a code.
    const alike = [
      ...[/^[ 0-9a-v-]{0,50}$/, /^ ?\d{3} ?\d{3} ?$/, /^([a-z2-7]{4}-?){6}[a-z2-7]{4}$/],
      /^[cbdefghijklnrtuv]{30,50}$/,
    ]
    fc.assert(
      fc.property(fc.oneof(fc.string(), ...alike.map(like => fc.stringMatching(like))), text => {
        const parsed = parseFactor(text)
        if (!parsed.ok) return
        codes++
        const encoded = encodeKnock({
          verb: 'open',
          factor: parsed.value,
          lifetime: 0,
          sentAt: 0,
          knockId: '0'.repeat(16),
          address: address('::'),
          prefix: 128,
          services: [],
        })
        expect(encoded.ok).toBe(true)
      }),
    )
    expect(codes).toBeGreaterThan(10)
  })
})

describe('a duration', () => {
  it.each([
    ['30s', 30],
    ['10m', 600],
    ['1h30m', 5_400],
    ['1d', 86_400],
  ])('%s is %i seconds, and back', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds)
    expect(formatDuration(seconds)).toBe(text)
  })

  it.each(['', '0s', '30', 's', '-1s', '1.5h', '1m1h', '1 h', '99999999d'])('is not %j', text => {
    expect(parseDuration(text)).toBeUndefined()
  })

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 - 1 }), seconds => {
        expect(parseDuration(formatDuration(seconds))).toBe(seconds)
      }),
    )
  })
})

it('quotes nothing that a terminal would obey', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      expect(quote(text)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u202e\u2066]/)
    }),
  )
  expect(quote('a\x1b[31m\x9b\u202e')).toBe('"a\\u001b[31m\\u009b\\u202e"')
})
