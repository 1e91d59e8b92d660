import { type Network, parseNetwork } from '@oneknock/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatProfile, type Profile, parseProfile } from '../../client/src/profile.ts'

const KEY_TEXT = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'
const GOOD = {
  version: 1,
  host: 'gate.example.com',
  port: 62201,
  user: 'ana',
  device: 'laptop',
  key: { kind: 'plain', base64url: KEY_TEXT },
  services: ['ssh', 'wiki'],
}

const name = fc.stringMatching(/^[a-z0-9-]{1,32}$/)
const host = fc.oneof(
  fc.constantFrom('gate.example.com', '203.0.113.7', '2001:db8::7', 'x'),
  fc.stringMatching(/^[a-z0-9]{1,20}(\.[a-z0-9]{1,20}){0,3}$/),
)
const network = fc
  .constantFrom('203.0.113.7', '203.0.113.0/24', '2001:db8::/64', '::', '0.0.0.0')
  .map(text => parseNetwork(text) as Network)
const profile: fc.Arbitrary<Profile> = fc
  .record({
    host,
    port: fc.integer({ min: 1, max: 65535 }),
    user: name,
    device: name,
    key: fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map(bytes => ({ kind: 'plain', bytes: Uint8Array.from(bytes) }) as const),
    services: fc.array(name, { maxLength: 5 }),
    otpCommand: fc.option(fc.stringMatching(/^[!-~][ -~]{0,40}$/), { nil: undefined }),
    address: fc.option(network, { nil: undefined }),
  })
  .map(({ otpCommand, address, ...rest }) => ({
    ...rest,
    ...(otpCommand !== undefined && { otpCommand }),
    ...(address && { address }),
  }))

describe('a profile', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(profile, given => {
        const text = formatProfile(given)
        const read = parseProfile(text)
        expect(read).toEqual({ ok: true, value: given })
        if (read.ok) expect(formatProfile(read.value)).toBe(text)
      }),
    )
  })

  it('is nothing else: any JSON and any text is refused without a throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), text => {
        expect(parseProfile(text).ok).toBe(false)
      }),
    )
  })

  it('with one key changed to anything else is read strictly or refused by that key', () => {
    const field = fc.constantFrom(...(Object.keys(GOOD) as (keyof typeof GOOD)[]))
    fc.assert(
      fc.property(field, fc.jsonValue(), (key, value) => {
        const text = JSON.stringify({ ...GOOD, [key]: value })
        const read = parseProfile(text)
        if (read.ok) expect(JSON.parse(formatProfile(read.value))).toEqual(JSON.parse(text))
        else expect(read.error.key?.split('.')[0]).toBe(key)
      }),
    )
  })

  it('with one byte cut out or changed never tells its key', () => {
    const text = JSON.stringify(GOOD, undefined, 2)
    const at = fc.integer({ min: 0, max: text.length - 1 })
    fc.assert(
      fc.property(at, fc.string({ maxLength: 1 }), (cut, put) => {
        const read = parseProfile(text.slice(0, cut) + put + text.slice(cut + 1))
        if (!read.ok) expect(JSON.stringify(read.error)).not.toContain(KEY_TEXT.slice(4, 12))
      }),
    )
  })

  it.each<[unknown, string | undefined, string]>([
    [{ ...GOOD, version: 2 }, 'version', 'must be 1'],
    [{ ...GOOD, host: 'a b' }, 'host', 'a host name or an address'],
    [{ ...GOOD, host: '-x' }, 'host', 'a host name or an address'],
    [{ ...GOOD, port: 0 }, 'port', '1 to 65535'],
    [{ ...GOOD, port: '62201' }, 'port', '1 to 65535'],
    [{ ...GOOD, user: 'Ana' }, 'user', 'a name is'],
    [{ ...GOOD, device: '' }, 'device', 'a name is'],
    [{ ...GOOD, key: KEY_TEXT }, 'key', 'an object'],
    [{ ...GOOD, key: { kind: 'passphrase' } }, 'key.kind', '"plain"'],
    [{ ...GOOD, key: { kind: 'plain' } }, 'key.base64url', '32 bytes'],
    [
      { ...GOOD, key: { kind: 'plain', base64url: KEY_TEXT.slice(1) } },
      'key.base64url',
      '32 bytes',
    ],
    [{ ...GOOD, key: { ...GOOD.key, salt: 'x' } }, 'key', 'has "salt"'],
    [{ ...GOOD, services: 'ssh' }, 'services', 'a list of names'],
    [{ ...GOOD, services: ['ssh', 1] }, 'services', 'a list of names'],
    [{ ...GOOD, otp_command: ' ' }, 'otp_command', 'one line'],
    [{ ...GOOD, otp_command: 'a\nb' }, 'otp_command', 'one line'],
    [{ ...GOOD, address: '203.0.113.7/33' }, 'address', 'an address or a prefix'],
    [{ ...GOOD, otp_comand: 'x' }, undefined, 'has "otp_comand"'],
    [{ ...GOOD, services: undefined }, 'services', 'is missing'],
    [[], undefined, 'not a JSON object'],
  ])('says which key is wrong: %j', (value, key, problem) => {
    const read = parseProfile(JSON.stringify(value))
    expect(read.ok).toBe(false)
    if (read.ok) return
    expect(read.error.key).toBe(key)
    expect(read.error.problem).toContain(problem)
  })

  it('says in which line it stops being JSON', () => {
    const text = formatProfile({ ...GOOD, key: { kind: 'plain', bytes: new Uint8Array(32) } })
    const read = parseProfile(text.replace('"port": 62201,', '"port": 62201'))
    expect(read).toEqual({ ok: false, error: { problem: 'is not JSON (line 5)' } })
  })
})
