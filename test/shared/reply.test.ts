import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Address,
  deriveKeys,
  encodeReply,
  type MalformedField,
  openReply,
  parseReply,
  type Reply,
  sealReply,
  toHex,
} from '../../shared/src/index.ts'
import { bytesOf, reply } from './arbitraries.ts'
import { strictCodec } from './strict-codec.ts'

const encode = (value: Reply): Uint8Array => {
  const body = encodeReply(value)
  if (!body.ok) throw new Error(body.error.field)
  return body.value
}

const GOOD: Reply = {
  status: 'opened',
  reason: 'none',
  prefix: 128,
  lifetime: 30,
  serverMs: 1_767_225_600_163,
  address: '203.0.113.7' as Address,
  grant: 'a1a2a3a4a5a6a7a8',
  detail: 'ssh',
}

describe('the body of a reply', () => {
  strictCodec('reply', { values: reply, encode, parse: parseReply, length: 72 })

  const unspeakable: readonly (readonly [MalformedField, string, Partial<Reply>])[] = [
    ['grant', 'a short grant', { grant: 'a1' }],
    ['prefix', 'a prefix of 129', { prefix: 129 }],
    ['prefix', 'a prefix of 95 on IPv4', { prefix: 95 }],
    ['lifetime', 'a negative lifetime', { lifetime: -1 }],
    ['lifetime', 'a broken lifetime', { lifetime: 0.5 }],
    ['lifetime', 'a lifetime of 33 bits', { lifetime: 2 ** 32 }],
    ['server-clock', 'a clock before 1970', { serverMs: -1 }],
    ['server-clock', 'a clock beyond 2^53 - 1', { serverMs: 2 ** 53 }],
    ['detail-length', '32 characters of detail', { detail: 'd'.repeat(32) }],
    ['detail', 'a detail that is not ASCII', { detail: 'schön' }],
    ['detail', 'a detail with a terminal escape', { detail: '\x1b[2J' }],
  ]
  it.each(unspeakable)('cannot hold, by its %s, %s', (field, _what, changes) => {
    expect(encodeReply(GOOD).ok).toBe(true)
    expect(encodeReply({ ...GOOD, ...changes })).toEqual({
      ok: false,
      error: { code: 'malformed', field },
    })
  })
})

describe('a reply', () => {
  it('is read by who sent the packet that it answers, and for no other packet', () => {
    fc.assert(
      fc.property(
        fc.tuple(reply, bytesOf(32), bytesOf(32), bytesOf(24), bytesOf(32), bytesOf(32)),
        ([value, key, otherKey, nonce, tag, otherTag]) => {
          fc.pre(toHex(key) !== toHex(otherKey) && toHex(tag) !== toHex(otherTag))
          const keys = deriveKeys(key)
          const sealed = sealReply(keys, nonce, tag, value)
          const datagram = sealed.ok ? sealed.value : new Uint8Array()
          const refused = { ok: false, error: { code: 'tag' } }
          expect(datagram).toHaveLength(128)
          expect(openReply(keys, tag, datagram)).toEqual({ ok: true, value })
          expect(openReply(keys, otherTag, datagram)).toEqual(refused)
          expect(openReply(deriveKeys(otherKey), tag, datagram)).toEqual(refused)
        },
      ),
    )
  })

  it('of random bytes is refused, whatever their length', () => {
    const keys = deriveKeys(new Uint8Array(32))
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 200 }), bytesOf(128)),
        bytesOf(32),
        (datagram, tag) => {
          const code = datagram.length === 128 ? 'tag' : 'length'
          expect(openReply(keys, tag, datagram)).toEqual({ ok: false, error: { code } })
        },
      ),
    )
  })
})
