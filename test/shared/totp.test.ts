import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatTotpSecret,
  matchTotp,
  otpauthUri,
  parseTotpSecret,
  TOTP_SECRET_BYTES,
  TOTP_STEP_MS,
  totpCode,
  totpStep,
} from '../../shared/src/index.ts'
import { bytesOf } from './arbitraries.ts'

const SECRET = new TextEncoder().encode('12345678901234567890')
const secret = bytesOf(TOTP_SECRET_BYTES)
const step = fc.integer({ min: 1, max: 2 ** 32 })
const within = fc.nat({ max: TOTP_STEP_MS - 1 })

describe('the code of a step', () => {
  // RFC 6238 appendix B, SHA-1: the last six of its eight digits, since a shorter code is a remainder.
  it.each([
    [59, '287082'],
    [1111111109, '081804'],
    [1111111111, '050471'],
    [1234567890, '005924'],
    [2000000000, '279037'],
    [20000000000, '353130'],
  ])('at %i s is %s', (seconds, code) => {
    expect(totpCode(SECRET, totpStep(seconds * 1000))).toBe(code)
  })

  it('is that of RFC 4226 appendix D, counter by counter', () => {
    const codes = Array.from({ length: 10 }, (_, counter) => totpCode(SECRET, counter))
    expect(codes.join(' ')).toBe(
      '755224 287082 359152 969429 338314 254676 287922 162583 399871 520489',
    )
  })

  const isMissing = spawnSync('oathtool', ['--version']).status !== 0

  it.skipIf(isMissing && !process.env.CI)('is what oathtool says (needs oathtool)', () => {
    const window = 19
    fc.assert(
      fc.property(secret, fc.integer({ min: 1, max: 2 ** 31 }), (secret, seconds) => {
        const now = new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')
        const args = ['--totp', '-b', '-', '-w', `${window}`, '--now', `${now} UTC`]
        // From standard input: other users can read arguments.
        const { stdout } = spawnSync('oathtool', args, {
          encoding: 'utf8',
          input: formatTotpSecret(secret),
        })
        const first = totpStep(seconds * 1000)
        const codes = Array.from({ length: window + 1 }, (_, i) => totpCode(secret, first + i))
        expect(stdout.split('\n').filter(Boolean)).toEqual(codes)
      }),
      { numRuns: 20 },
    )
  })
})

describe('matching a code', () => {
  it('finds the step, the present one or one beside it, anywhere within a step', () => {
    fc.assert(
      fc.property(secret, step, within, fc.constantFrom(-1, 0, 1), (secret, now, ms, beside) => {
        const code = totpCode(secret, now + beside)
        // Two steps may have the same code; then the last of them is the one.
        const expected = [1, 0, -1].find(off => totpCode(secret, now + off) === code)
        expect(matchTotp(secret, code, now * TOTP_STEP_MS + ms)).toBe(now + expected!)
      }),
    )
  })

  it('finds none beyond the steps beside it, to the millisecond', () => {
    const at = 41_152_263 * TOTP_STEP_MS
    const code = totpCode(SECRET, totpStep(at))
    expect(matchTotp(SECRET, code, at - TOTP_STEP_MS)).toBe(totpStep(at))
    expect(matchTotp(SECRET, code, at - TOTP_STEP_MS - 1)).toBe(-1)
    expect(matchTotp(SECRET, code, at + 2 * TOTP_STEP_MS - 1)).toBe(totpStep(at))
    expect(matchTotp(SECRET, code, at + 2 * TOTP_STEP_MS)).toBe(-1)
  })

  it('never takes anything but the six digits themselves', () => {
    const at = 41_152_263 * TOTP_STEP_MS
    const code = totpCode(SECRET, totpStep(at))
    const digits = [...code]
    const lookalikes = [
      digits.map(digit => String.fromCodePoint(0x100 + digit.codePointAt(0)!)).join(''),
      digits.map(digit => String.fromCodePoint(0xff10 + Number(digit))).join(''),
      digits.map(digit => String.fromCodePoint(0x660 + Number(digit))).join(''),
      ...digits.map(
        (digit, i) =>
          code.slice(0, i) +
          String.fromCodePoint(0x100 + digit.codePointAt(0)!) +
          code.slice(i + 1),
      ),
      ...['', ' ', '\n', '0', '\0']
        .flatMap(more => [`${more}${code}`, `${code}${more}`])
        .filter(text => text !== code),
      ...[0, 1, 5].map(length => code.slice(0, length)),
      `${Number(code)}.0`,
      `0x${Number(code).toString(16)}`,
    ]
    expect(matchTotp(SECRET, code, at)).toBe(totpStep(at))
    for (const text of lookalikes) expect(matchTotp(SECRET, text, at)).toBe(-1)
  })

  it('never takes garbage, and never throws', () => {
    const garbage = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 8 }))
    fc.assert(
      fc.property(secret, garbage, fc.integer({ min: 0, max: 2 ** 48 }), (secret, text, ms) => {
        fc.pre(!/^[0-9]{6}$/.test(text))
        expect(matchTotp(secret, text, ms)).toBe(-1)
      }),
    )
  })

  it('takes a wrong code for none of its steps', () => {
    fc.assert(
      fc.property(secret, step, fc.nat({ max: 999_999 }), (secret, now, guess) => {
        const code = String(guess).padStart(6, '0')
        const expected = [1, 0, -1].map(off => now + off).find(s => totpCode(secret, s) === code)
        expect(matchTotp(secret, code, now * TOTP_STEP_MS)).toBe(expected ?? -1)
      }),
    )
  })

  it('ends and does not throw, whatever the clock says', () => {
    const clocks = [0, 1, -1, -1e12, 29_999, 2 ** 53, 1e300, Number.POSITIVE_INFINITY, Number.NaN]
    for (const ms of clocks) expect(matchTotp(SECRET, '000000', ms)).toBe(-1)
  })

  it('reads the secret alone, although a Buffer lies in a shared pool', () => {
    const pooled = Buffer.from(SECRET)
    expect(pooled.buffer.byteLength).toBeGreaterThan(pooled.length)
    expect(totpCode(pooled, 1)).toBe(totpCode(SECRET, 1))
    expect(matchTotp(pooled, '287082', 59_000)).toBe(1)
    expect(formatTotpSecret(pooled)).toBe(formatTotpSecret(SECRET))
  })
})

describe('the text of a secret', () => {
  it('comes back, in capitals or not, in groups or not, padded or not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 10, maxLength: 40 }), secret => {
        const text = formatTotpSecret(secret)
        const grouped = text.replaceAll(/(.{4})/g, '$1 ').toLowerCase()
        const padded = text + '='.repeat((8 - (text.length % 8)) % 8)
        for (const form of [text, grouped, padded]) expect(parseTotpSecret(form)).toEqual(secret)
      }),
    )
  })

  it.each([
    ['nothing', ''],
    ['padding alone', '========'],
    ['too short to be one', 'GEZDGNBVGY3TQOI'],
    ['a digit that base32 has not', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1'],
    ['a letter lost', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQO'],
    ['padding in the middle', 'GEZDGNBV=GY3TQOJQGEZDGNBVGY3TQOJQ'],
    ['not ASCII', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJＱ'],
    ['a line end', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n'],
  ])('is not %s', (_what, text) => expect(parseTotpSecret(text)).toBeUndefined())
})

describe('the Key URI', () => {
  it('says what an authenticator needs', () => {
    const uri = new URL(otpauthUri('gate.example.com', 'alice', SECRET))
    expect(`${uri.protocol}//${uri.host}${uri.pathname}`).toBe('otpauth://totp/alice')
    expect(Object.fromEntries(uri.searchParams)).toEqual({
      issuer: 'gate.example.com',
      secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
      algorithm: 'SHA1',
      digits: '6',
      period: '30',
    })
  })
})
