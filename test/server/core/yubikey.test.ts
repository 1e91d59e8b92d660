import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LocalYubiKey } from '../../../server/src/core/directory.ts'
import { Burnt, checkFactor } from '../../../server/src/core/factors.ts'
import { fromModhex, parseYubiKeyOtp, yubiKeyCounter } from '../../../server/src/core/yubikey.ts'
import { asRead, NOON, user } from '../kit.ts'
import { hasYkgenerate, touch as touchOf } from '../touch.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))

/** The example of the vendor's own documentation of its OTP. */
const TOKEN: LocalYubiKey = {
  label: 'blue',
  publicId: 'dteffuje',
  key: hex('ecde18dbe76fbd0c33330f1c354871db'),
  privateId: hex('8792ebfe26cc'),
}
const VENDORS = 'dteffujehknhfjbrjnlnldnhcujvddbikngjrtgh'

const touch = (counter: number, use: number, token = TOKEN) => touchOf(token, counter, use)

describe('a YubiKey OTP', () => {
  it('of the vendor’s example is read', () => {
    const otp = parseYubiKeyOtp(VENDORS)!
    expect(otp.publicId).toBe(TOKEN.publicId)
    expect(yubiKeyCounter(TOKEN, otp.block)).toBe(19 * 256 + 17)
  })

  it('with any bit of its block changed is nobody’s', () => {
    const { block } = parseYubiKeyOtp(VENDORS)!
    for (let bit = 0; bit < 128; bit++) {
      const changed = block.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(yubiKeyCounter(TOKEN, changed)).toBeUndefined()
    }
  })

  it('of another private id is nobody’s', () => {
    const { block } = parseYubiKeyOtp(VENDORS)!
    expect(yubiKeyCounter({ ...TOKEN, privateId: hex('8792ebfe26cd') }, block)).toBeUndefined()
  })

  it('is parsed strictly, and nothing makes the parser throw', () => {
    expect(parseYubiKeyOtp(VENDORS.slice(1))).toBeUndefined()
    expect(parseYubiKeyOtp(VENDORS.toUpperCase())).toBeUndefined()
    expect(parseYubiKeyOtp(`${'c'.repeat(34)}${VENDORS.slice(8)}`)).toBeUndefined()
    expect(fromModhex('cbdefghijklnrtuv')).toEqual(hex('0123456789abcdef'))
    fc.assert(fc.property(fc.string({ maxLength: 80 }), text => void parseYubiKeyOtp(text)))
  })

  it.skipIf(!hasYkgenerate && process.env.CI !== 'true')(
    'opens once, and whatever was typed before it never again',
    () => {
      const alice = user('alice', 1, { yubikeys: [TOKEN] })
      const burnt = new Burnt()
      const use = (code: string) => {
        const verdict = checkFactor(alice, { kind: 'yubikey', code }, NOON, burnt)
        if (verdict.kind === 'right') burnt.add(verdict.burn)
        return verdict.kind
      }
      const [first, second, third, later] = [touch(7, 0), touch(7, 1), touch(7, 2), touch(8, 0)]
      expect(use(second)).toBe('right')
      expect(use(second)).toBe('used')
      expect(use(first)).toBe('used')
      expect(use(third)).toBe('right')
      expect(use(later)).toBe('right')
      expect(use(touch(9, 0, { ...TOKEN, publicId: 'cccccccc' }))).toBe('wrong')

      const restored = new Burnt()
      restored.restore(asRead(burnt.record()))
      expect(restored.has({ kind: 'yubikey', id: TOKEN.publicId, counter: 8 * 256 })).toBe(true)
      expect(restored.has({ kind: 'yubikey', id: TOKEN.publicId, counter: 8 * 256 + 1 })).toBe(
        false,
      )
    },
  )
})
