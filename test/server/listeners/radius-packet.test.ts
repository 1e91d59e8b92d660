import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ATTRIBUTE,
  ATTRIBUTES_MAX,
  decodePacket,
  encodePacket,
  firstOf,
  type RadiusPacket,
  textOf,
  VALUE_MAX,
} from '../../../server/src/listeners/radius/packet.ts'
import {
  chapOf,
  hidePassword,
  matchChap,
  revealPassword,
} from '../../../server/src/listeners/radius/passwords.ts'
import { readRequest } from '../../../server/src/listeners/radius/request.ts'
import {
  answersRequest,
  checkRequest,
  checkSignature,
  signAnswer,
  signRequest,
} from '../../../server/src/listeners/radius/signing.ts'
import { fromHex } from '../../../shared/src/index.ts'

const hex = (text: string) => fromHex(text.replace(/\s/g, ''))!
const decode = (text: string): RadiusPacket => {
  const decoded = decodePacket(hex(text))
  return decoded.ok ? decoded.value : expect.fail(decoded.error)
}

/** RFC 2865 section 7 and RFC 5997 section 6 use the same. */
const SECRET = new TextEncoder().encode('xyzzy5461')
const PASSWORD = 'arctangent'

const TELNET = `01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb
  98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 8d 93 d4 13 ce 31 96 e4 3f
  78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03`
const TELNET_ACCEPT = `02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf
  9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00 00 00 0e 06 c0 a8 01 03`
const CHAP = `01 01 00 47 2a ee 86 f0 8d 0d 55 96 9c a5 97 8e
  0d 33 67 a2 01 08 66 6c 6f 70 73 79 03 13 16 e9 75 57 c3 16 18 58 95 f2
  93 ff 63 44 07 72 75 04 06 c0 a8 01 10 05 06 00 00 00 14 06 06 00 00 00
  02 07 06 00 00 00 01`
/** With the erratum's Framed-Routing. */
const CHAP_ACCEPT = `02 01 00 38 15 ef bc 7d ab 26 cf a3 dc 34 d9 c0
  3c 86 01 a4 06 06 00 00 00 02 07 06 00 00 00 01 08 06 ff ff ff fe 0a 06
  00 00 00 02 0d 06 00 00 00 01 0c 06 00 00 05 dc`
const STATUS = `0c da 00 26 8a 54 f4 68 6f b3 94 c5 28 66 e3 02
  18 5d 06 23 50 12 5a 66 5e 2e 1e 84 11 f3 e2 43 82 20 97 c8 4f a3`
const STATUS_ACCEPT = '02 da 00 14 ef 0d 55 2a 4b f2 d6 93 ec 2b 6f e8 b5 41 1d 66'

describe('the examples of the RFCs', () => {
  it('RFC 2865 section 7.1: a password is revealed and hidden', () => {
    const packet = decode(TELNET)
    const { authenticator } = packet
    const hidden = firstOf(packet, ATTRIBUTE.userPassword)!
    expect(textOf(packet, ATTRIBUTE.userName)).toBe('nemo')
    const password = revealPassword(hidden, authenticator, SECRET)!
    expect(Buffer.from(password).toString()).toBe(PASSWORD)
    expect(hidePassword(password, authenticator, SECRET)).toEqual(hidden)
  })

  it('RFC 2865 section 7.2: a CHAP password is found among others', () => {
    const chap = chapOf(decode(CHAP))!
    expect(matchChap(chap, ['arctang', PASSWORD, ''])).toBe(PASSWORD)
    expect(matchChap(chap, ['arctang', 'arctangent '])).toBeUndefined()
  })

  it.each([
    ['RFC 2865 section 7.1', TELNET, TELNET_ACCEPT],
    ['RFC 2865 section 7.2', CHAP, CHAP_ACCEPT],
    ['RFC 5997 section 6', STATUS, STATUS_ACCEPT],
  ])('%s: the answer is that request’s, and no other’s', (_, request, answer) => {
    const { authenticator } = decode(request)
    expect(answersRequest(decode(answer), authenticator, SECRET)).toBe(true)
    expect(answersRequest(decode(answer), authenticator, SECRET.subarray(1))).toBe(false)
    const other = Uint8Array.from(authenticator, byte => byte ^ 1)
    expect(answersRequest(decode(answer), other, SECRET)).toBe(false)
  })

  it('RFC 5997 section 6: a Message-Authenticator is right, with this secret alone', () => {
    expect(checkRequest(decode(STATUS), SECRET)).toBe('valid')
    expect(checkRequest(decode(STATUS), SECRET.subarray(1))).toBe('invalid')
    expect(checkRequest(decode(TELNET), SECRET)).toBe('absent')
  })

  it.each([TELNET, TELNET_ACCEPT, CHAP, CHAP_ACCEPT, STATUS, STATUS_ACCEPT])(
    'decoded and encoded they are the same bytes',
    text => {
      expect(encodePacket(decode(text))).toEqual(hex(text))
    },
  )
})

const bytes = (most: number, least = 0) => fc.uint8Array({ minLength: least, maxLength: most })
const attributes = fc.array(fc.record({ type: fc.nat(255), value: bytes(VALUE_MAX) }), {
  maxLength: 15,
})
const packets = fc.record({
  code: fc.nat(255),
  identifier: fc.nat(255),
  authenticator: bytes(16, 16),
  attributes,
})

describe('the codec', () => {
  it('encodes and decodes whatever fits', () => {
    fc.assert(
      fc.property(packets, bytes(8), (packet, padding) => {
        const encoded = encodePacket(packet)!
        expect(decodePacket(Buffer.concat([encoded, padding]))).toEqual({ ok: true, value: packet })
      }),
    )
  })

  it('throws at nothing, and gives back the same bytes of what it takes', () => {
    const trust = { secret: SECRET, messageAuthenticator: 'optional' } as const
    fc.assert(
      fc.property(fc.oneof(bytes(80), packetLike), noise => {
        readRequest(noise, trust)
        const decoded = decodePacket(noise)
        if (!decoded.ok) return
        const length = (noise[2]! << 8) | noise[3]!
        expect(encodePacket(decoded.value)).toEqual(noise.subarray(0, length))
      }),
      { numRuns: 2_000 },
    )
  })

  /** Noise behind a header that fits it. */
  const packetLike = bytes(120, 20).map(noise => {
    noise.set([[1, 12][noise[0]! % 2]!, noise[1]!, noise.length >> 8, noise.length & 0xff])
    return noise
  })

  it('takes no packet that is cut, anywhere', () => {
    const whole = hex(CHAP)
    for (let length = 0; length < whole.length; length++) {
      expect(decodePacket(whole.subarray(0, length))).toEqual({ ok: false, error: 'length' })
      if (length < 20) continue
      const shorter = Uint8Array.from(whole.subarray(0, length))
      shorter[3] = length
      const atAnEnd = [20, 28, 47, 53, 59, 65].includes(length)
      expect(decodePacket(shorter).ok).toBe(atAnEnd)
    }
  })

  it.each([
    [
      'a length beyond what any packet has',
      (one: Uint8Array) => one.set([0x10, 0x01], 2),
      'length',
    ],
    ['a length below the header', (one: Uint8Array) => one.set([0, 19], 2), 'length'],
    ['an attribute of length 0', (one: Uint8Array) => one.set([0], 21), 'attributes'],
    ['an attribute of length 1', (one: Uint8Array) => one.set([1], 21), 'attributes'],
    ['an attribute beyond the end', (one: Uint8Array) => one.set([200], 21), 'attributes'],
  ])('refuses %s', (_, spoil, error) => {
    const packet = new Uint8Array(5_000)
    packet.set(hex(TELNET))
    spoil(packet)
    expect(decodePacket(packet)).toEqual({ ok: false, error })
  })

  it('takes so many attributes and no more, empty ones too', () => {
    const full = (count: number) => {
      const packet = new Uint8Array(20 + 2 * count)
      packet.set([1, 0, packet.length >> 8, packet.length & 0xff])
      for (let at = 20; at < packet.length; at += 2) packet.set([33, 2], at)
      return packet
    }
    expect(decodePacket(full(ATTRIBUTES_MAX))).toMatchObject({ ok: true })
    expect(decodePacket(full(ATTRIBUTES_MAX + 1))).toEqual({ ok: false, error: 'attributes' })
  })

  it('makes no packet that is too long', () => {
    const value = new Uint8Array(VALUE_MAX)
    const full = (count: number): RadiusPacket => ({
      ...{ code: 2, identifier: 0, authenticator: new Uint8Array(16) },
      attributes: Array.from({ length: count }, () => ({ type: 18, value })),
    })
    expect(encodePacket(full(15))).toHaveLength(20 + 15 * 255)
    expect(encodePacket(full(16))).toBeUndefined() // 4,100 bytes
  })
})

describe('signatures', () => {
  it('are the first attribute, and break with any bit', () => {
    fc.assert(
      fc.property(packets, fc.nat(), (packet, at) => {
        const signed = signRequest(packet, SECRET)!
        expect([...signed.subarray(20, 22)]).toEqual([ATTRIBUTE.messageAuthenticator, 18])
        const alone = packet.attributes.every(({ type }) => type !== ATTRIBUTE.messageAuthenticator)
        const taken = decodePacket(signed)
        expect(taken.ok && checkRequest(taken.value, SECRET)).toBe(alone ? 'valid' : 'invalid')
        signed[at % signed.length]! ^= 1 << (at % 8)
        const altered = decodePacket(signed)
        expect(altered.ok && checkRequest(altered.value, SECRET)).not.toBe('valid')
      }),
    )
  })

  it('of an answer are for that request alone', () => {
    fc.assert(
      fc.property(packets, bytes(16, 16), (packet, other) => {
        fc.pre(packet.attributes.every(({ type }) => type !== ATTRIBUTE.messageAuthenticator))
        fc.pre(!Buffer.from(other).equals(packet.authenticator))
        const decoded = decodePacket(signAnswer(packet, packet.authenticator, SECRET)!)
        const answer = decoded.ok ? decoded.value : expect.fail(decoded.error)
        expect(checkSignature(answer, packet.authenticator, SECRET)).toBe('valid')
        expect(answersRequest(answer, packet.authenticator, SECRET)).toBe(true)
        expect(checkSignature(answer, other, SECRET)).toBe('invalid')
        expect(answersRequest(answer, other, SECRET)).toBe(false)
      }),
    )
  })
})

describe('passwords', () => {
  const authenticator = new Uint8Array(16).fill(9)

  it('come out as they went in, up to 128 bytes', () => {
    fc.assert(
      fc.property(bytes(128), password => {
        fc.pre(!password.includes(0))
        const hidden = hidePassword(password, authenticator, SECRET)!
        expect(hidden.length % 16).toBe(0)
        expect(revealPassword(hidden, authenticator, SECRET)).toEqual(password)
      }),
    )
    expect(hidePassword(new Uint8Array(129), authenticator, SECRET)).toBeUndefined()
  })

  it.each([0, 1, 15, 17, 127, 144])('are not hidden in %i bytes', length => {
    expect(revealPassword(new Uint8Array(length), authenticator, SECRET)).toBeUndefined()
  })

  it('under another secret are noise: an unsigned request shows it', () => {
    const hidden = hidePassword(new TextEncoder().encode('123456'), authenticator, SECRET)!
    const packet = encodePacket({
      ...{ code: 1, identifier: 1, authenticator },
      attributes: [{ type: ATTRIBUTE.userPassword, value: hidden }],
    })!
    const read = (secret: Uint8Array) =>
      readRequest(packet, { secret, messageAuthenticator: 'optional' })
    expect(read(SECRET)).toMatchObject({ ok: true })
    expect(read(SECRET.subarray(1))).toEqual({ ok: false, error: 'forged' })
  })
})
