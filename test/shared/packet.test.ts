import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Address,
  AT,
  decryptKnock,
  deriveKeys,
  encodeKnock,
  epochOf,
  hintAt,
  type Knock,
  type MalformedField,
  NO_FACTOR,
  parseKnock,
  sealKnock,
  toHex,
} from '../../shared/src/index.ts'
import { bytesOf, knock } from './arbitraries.ts'
import { readPacket } from './reference.ts'
import { strictCodec } from './strict-codec.ts'

const encode = (value: Knock): Uint8Array => {
  const body = encodeKnock(value)
  if (!body.ok) throw new Error(body.error.field)
  return body.value
}

const GOOD: Knock = {
  verb: 'open',
  factor: { kind: 'totp', code: '123456' },
  lifetime: 0,
  sentAt: 1_767_225_600_123,
  knockId: '0102030405060708',
  address: '203.0.113.7' as Address,
  prefix: 128,
  services: ['ssh'],
}

describe('the body of a knock', () => {
  strictCodec('knock', { values: knock, encode, parse: parseKnock, length: 192 })

  const unspeakable: readonly (readonly [MalformedField, string, Partial<Knock>])[] = [
    [
      'factor-length',
      'a code of 49 characters',
      { factor: { kind: 'totp', code: '1'.repeat(49) } },
    ],
    ['factor-length', 'a code of no kind', { factor: { kind: 'none', code: '1' } }],
    ['factor', 'a code that is not ASCII', { factor: { kind: 'totp', code: '12345\u0131' } }],
    ['factor', 'a code with a line end', { factor: { kind: 'totp', code: '123456\n' } }],
    ['lifetime', 'a negative lifetime', { lifetime: -1 }],
    ['lifetime', 'a broken lifetime', { lifetime: 0.5 }],
    ['lifetime', 'a lifetime of 33 bits', { lifetime: 2 ** 32 }],
    ['sent-at', 'a time before 1970', { sentAt: -1 }],
    ['sent-at', 'a time beyond 2^53 - 1', { sentAt: 2 ** 53 }],
    ['sent-at', 'no time', { sentAt: Number.NaN }],
    ['knock-id', 'a short knock id', { knockId: '01020304050607' }],
    ['knock-id', 'a knock id that is not hexadecimal', { knockId: '01020304050607zz' }],
    ['prefix', 'a prefix of 129', { prefix: 129 }],
    ['prefix', 'a prefix of 95 on IPv4', { prefix: 95 }],
    ['prefix', 'a negative prefix', { address: '2001:db8::1' as Address, prefix: -1 }],
    ['services-length', '103 characters of services', { services: ['s'.repeat(103)] }],
    ['services', 'a service without a name', { services: [''] }],
    ['services', 'two services, one without a name', { services: ['ssh', ''] }],
    ['services', 'a space within a name', { services: ['ssh wiki'] }],
    ['services', 'an upper-case name', { services: ['SSH'] }],
    ['services', 'a line end within a name', { services: ['ssh\n'] }],
  ]
  it.each(unspeakable)('cannot hold, by its %s, %s', (field, _what, changes) => {
    expect(encodeKnock(GOOD).ok).toBe(true)
    expect(encodeKnock({ ...GOOD, ...changes })).toEqual({
      ok: false,
      error: { code: 'malformed', field },
    })
  })
})

describe('a packet', () => {
  it('is read by who holds the key, and by nobody else', () => {
    fc.assert(
      fc.property(knock, bytesOf(32), bytesOf(32), bytesOf(24), (value, key, other, nonce) => {
        fc.pre(toHex(key) !== toHex(other))
        const keys = deriveKeys(key)
        const sealed = sealKnock(keys, nonce, value)
        const datagram = sealed.ok ? sealed.value : new Uint8Array()
        const moment = { clockMs: value.sentAt, windowMs: 0, floorMs: -1, seen: [] }
        const read = (devices: readonly ReturnType<typeof deriveKeys>[]) =>
          readPacket(datagram, { ...moment, devices })
        expect(read([keys])).toEqual({ stage: null, knock: value })
        expect(read([deriveKeys(other)])).toEqual({ stage: 'hint' })
        expect(read([deriveKeys(other), keys])).toEqual({ stage: null, knock: value })
      }),
    )
  })

  it('carries the hint of its minute, the nonce it was given, and nothing in the clear', () => {
    const keys = deriveKeys(new Uint8Array(32).fill(7))
    const nonce = new Uint8Array(24).fill(9)
    const sealed = sealKnock(keys, nonce, { ...GOOD, factor: NO_FACTOR })
    const datagram = sealed.ok ? sealed.value : new Uint8Array()
    expect(datagram).toHaveLength(256)
    expect(toHex(datagram, 0, AT.nonce)).toBe(toHex(hintAt(keys.hint, epochOf(GOOD.sentAt))))
    expect(toHex(datagram, AT.nonce, AT.body)).toBe(toHex(nonce))
    expect(toHex(decryptKnock(keys.knockEncrypt, datagram))).toBe(
      toHex(encode({ ...GOOD, factor: NO_FACTOR })),
    )
    expect(toHex(datagram)).not.toContain('00000000')
  })
})
