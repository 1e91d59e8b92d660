import { createHmac, hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  deriveHintKey,
  deriveKeys,
  epochOf,
  fromHex,
  hintAt,
  MacKey,
  toHex,
} from '../../shared/src/index.ts'
import { bytesOf, time } from './arbitraries.ts'

const ascii = (text: string) => new TextEncoder().encode(text)
const nodeHmac = (key: Uint8Array, ...parts: readonly Uint8Array[]) =>
  createHmac('sha256', key).update(Buffer.concat(parts)).digest('hex')

/** Deterministic garbage, so that a failing sequence shrinks to one that can be read. */
const parts = fc.array(fc.uint8Array({ maxLength: 150 }), { maxLength: 4 })

describe('the keys of a device', () => {
  it("are HKDF's (RFC 5869) as node:crypto has it", () => {
    fc.assert(
      fc.property(bytesOf(32), key => {
        const keys = deriveKeys(key)
        const derived = (info: string) =>
          Buffer.from(hkdfSync('sha256', key, 'oneknock/1', info, 32)).toString('hex')
        expect(toHex(keys.hint)).toBe(derived('hint'))
        expect(toHex(keys.knockEncrypt)).toBe(derived('knock encrypt'))
        expect(toHex(keys.knockAuthenticate)).toBe(derived('knock authenticate'))
        expect(toHex(keys.replyEncrypt)).toBe(derived('reply encrypt'))
        expect(toHex(keys.replyAuthenticate)).toBe(derived('reply authenticate'))
        expect(toHex(deriveHintKey(key))).toBe(toHex(keys.hint))
      }),
    )
  })
})

describe('a MAC key', () => {
  // RFC 4231 section 4: short and long keys, short and long data.
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
    [
      new Uint8Array(131).fill(0xaa),
      ascii('Test Using Larger Than Block-Size Key - Hash Key First'),
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    ],
  ]
  it.each(cases)('signs RFC 4231 (%#)', (key, data, tag) => {
    expect(toHex(new MacKey(key).sign(data))).toBe(tag)
  })

  it('signs as node:crypto does, however the message is cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 150 }), parts, (key, message) => {
        expect(toHex(new MacKey(key).sign(...message))).toBe(nodeHmac(key, ...message))
      }),
    )
  })

  /** One use of a key. `break` is a caller's mistake in the middle of a message. */
  const use = fc.oneof(
    parts.map(message => ({ kind: 'sign', message }) as const),
    parts.map(message => ({ kind: 'right', message }) as const),
    fc
      .tuple(parts, fc.nat({ max: 255 }))
      .map(([message, bit]) => ({ kind: 'wrong', message, bit }) as const),
    parts.map(message => ({ kind: 'break', message }) as const),
  )

  it('is not changed by what it signed, verified, refused or choked on', () => {
    fc.assert(
      fc.property(bytesOf(32), fc.array(use, { maxLength: 12 }), (key, uses) => {
        const mac = new MacKey(key)
        for (const one of uses) {
          const tag = nodeHmac(key, ...one.message)
          const wire = Uint8Array.of(7, ...fromHex(tag)!, 7)
          if (one.kind === 'sign') expect(toHex(mac.sign(...one.message))).toBe(tag)
          if (one.kind === 'right') expect(mac.verifies(wire, 1, ...one.message)).toBe(true)
          if (one.kind === 'wrong') {
            wire[1 + (one.bit >> 3)]! ^= 1 << (one.bit & 7)
            expect(mac.verifies(wire, 1, ...one.message)).toBe(false)
          }
          if (one.kind === 'break') {
            const mistake = 'not bytes' as unknown as Uint8Array
            expect(() => mac.verifies(wire, 1, ...one.message, mistake)).toThrow()
          }
        }
      }),
    )
  })

  it('gives out tags that later ones do not overwrite', () => {
    const mac = new MacKey(ascii('Jefe'))
    const first = mac.sign(ascii('one'))
    mac.sign(ascii('two'))
    expect(toHex(first)).toBe(nodeHmac(ascii('Jefe'), ascii('one')))
  })

  it('verifies no tag that is cut short', () => {
    const mac = new MacKey(ascii('Jefe'))
    const tag = mac.sign(ascii('one'))
    for (let length = 0; length < 32; length++) {
      expect(mac.verifies(tag.subarray(0, length), 0, ascii('one'))).toBe(false)
    }
    expect(mac.verifies(tag, 0, ascii('one'))).toBe(true)
  })
})

describe('a hint', () => {
  it("is that of sent_at's minute, and another in the next", () => {
    fc.assert(
      fc.property(bytesOf(32), time, (key, ms) => {
        const epoch = epochOf(ms)
        const count = Buffer.alloc(8)
        count.writeBigUInt64BE(BigInt(epoch))
        expect(toHex(hintAt(key, epoch))).toBe(nodeHmac(key, count).slice(0, 16))
        expect(BigInt(epoch)).toBe(BigInt(ms) / 60_000n)
        expect(toHex(hintAt(key, epoch + 1))).not.toBe(toHex(hintAt(key, epoch)))
      }),
    )
  })
})
