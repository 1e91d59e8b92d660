import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  DEFAULT_PORT,
  formatInvitation,
  type Invitation,
  parseInvitation,
} from '../../shared/src/index.ts'
import { bytesOf, ipv4, ipv6, name } from './arbitraries.ts'

const KEY = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'
const GOOD = `oneknock://gate.example.com:62201/?v=1&name=home&user=alice&device=laptop&key=${KEY}&services=ssh,wiki`

const label = fc
  .string({ unit: fc.constantFrom(...'abcxyzABC0189-'), minLength: 1, maxLength: 20 })
  .filter(text => !text.startsWith('-') && !text.endsWith('-'))
const host = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 4 }).map(labels => labels.join('.')),
  ipv4,
  ipv6,
)
const invitation: fc.Arbitrary<Invitation> = fc.record({
  host,
  port: fc.integer({ min: 1, max: 65535 }),
  name,
  user: name,
  device: name,
  key: bytesOf(32),
  services: fc.array(name, { maxLength: 6 }),
})

describe('an invitation', () => {
  it('comes back', () => {
    fc.assert(
      fc.property(invitation, value => {
        expect(parseInvitation(formatInvitation(value))).toEqual({ ok: true, value })
        expect(parseInvitation(`  ${formatInvitation(value)}\n`)).toEqual({ ok: true, value })
      }),
      { numRuns: 500 },
    )
  })

  it('is the text that the specification shows', () => {
    const parsed = parseInvitation(GOOD)
    expect(parsed).toEqual({
      ok: true,
      value: {
        host: 'gate.example.com',
        port: 62201,
        name: 'home',
        user: 'alice',
        device: 'laptop',
        key: Uint8Array.from({ length: 32 }, (_, i) => i),
        services: ['ssh', 'wiki'],
      },
    })
    expect(parsed.ok && formatInvitation(parsed.value)).toBe(GOOD)
    const specification = readFileSync(new URL('../../SPEC.md', import.meta.url), 'utf8')
    expect(specification).toContain(`\n    ${GOOD}\n`)
  })

  const accepted: readonly (readonly [string, string, Partial<Invitation>])[] = [
    ['the default port', GOOD.replace(':62201', ''), { port: DEFAULT_PORT }],
    ['an IPv6 host', GOOD.replace('gate.example.com', '[2001:db8::1]'), { host: '2001:db8::1' }],
    ['no services', GOOD.replace('&services=ssh,wiki', ''), { services: [] }],
    [
      'an HTTP door',
      `${GOOD}&http=https%3A%2F%2Fgate.example.com%3A8975`,
      { http: 'https://gate.example.com:8975' },
    ],
    ['empty services', GOOD.replace('ssh,wiki', ''), { services: [] }],
    ['a parameter that is not known', `${GOOD}&colour=red`, {}],
    ['an encoded comma, as some mailers write it', GOOD.replace(',', '%2C'), {}],
  ]
  it.each(accepted)('may have %s', (_what, text, its) => {
    const parsed = parseInvitation(text)
    expect(parsed.ok && parsed.value).toMatchObject(its)
  })

  const refused: readonly (readonly [string, string, string])[] = [
    ['scheme', 'another scheme', GOOD.replace('oneknock', 'https')],
    ['scheme', 'no scheme', GOOD.replace('oneknock://', '')],
    ['scheme', 'nothing', ''],
    ['host', 'no host', GOOD.replace('gate.example.com', '')],
    ['host', 'no slashes', GOOD.replace('//', '')],
    ['host', 'a name before the host', GOOD.replace('gate', 'gate.example.com@evil')],
    ['host', 'a password before the host', GOOD.replace('gate', ':x@gate')],
    ['host', 'a space in the host', GOOD.replace('gate.', 'gate%20')],
    ['host', 'a shell in the host', GOOD.replace('gate', '$(id)')],
    ['host', 'a dash before the host: an option', GOOD.replace('gate', '-gate')],
    ['host', 'too long a host', GOOD.replace('gate', 'g'.repeat(250))],
    ['host', 'an IPv6 address that is none', GOOD.replace('gate.example.com', '[1::2::3]')],
    ['host', 'a zone', GOOD.replace('gate.example.com', '[fe80::1%eth0]')],
    ['host', 'a port above 65535', GOOD.replace('62201', '65536')],
    ['port', 'port 0', GOOD.replace('62201', '0')],
    ['version', 'version 2', GOOD.replace('v=1', 'v=2')],
    ['version', 'version 01', GOOD.replace('v=1', 'v=01')],
    ['version', 'no version', GOOD.replace('v=1&', '')],
    ['version', 'two versions', GOOD.replace('v=1', 'v=1&v=2')],
    ['name', 'no name', GOOD.replace('name=home&', '')],
    ['name', 'a path for a name', GOOD.replace('name=home', 'name=../home')],
    ['name', 'two names', GOOD.replace('name=home', 'name=home&name=work')],
    ['user', 'no user', GOOD.replace('user=alice&', '')],
    ['user', 'an upper-case user', GOOD.replace('alice', 'Alice')],
    ['device', 'no device', GOOD.replace('device=laptop&', '')],
    ['device', 'a long device', GOOD.replace('laptop', 'l'.repeat(33))],
    ['key', 'no key', GOOD.replace(`key=${KEY}&`, '')],
    ['key', 'two keys', GOOD.replace('&services', `&key=${KEY}&services`)],
    ['key', 'a short key', GOOD.replace(KEY, KEY.slice(2))],
    ['key', 'a long key', GOOD.replace(KEY, `${KEY}AA`)],
    ['key', 'another text of the same key', GOOD.replace('Hh8', 'Hh9')],
    ['key', 'a padded key', GOOD.replace(KEY, `${KEY}=`)],
    ['key', 'base64 instead of base64url', GOOD.replace(KEY, `${KEY.slice(0, -2)}/8`)],
    ['services', 'a service without a name', GOOD.replace('ssh,', 'ssh,,')],
    ['services', 'an upper-case service', GOOD.replace('ssh', 'SSH')],
    ['services', 'two lists of services', `${GOOD}&services=mail`],
    ['http', 'an empty address of a door', `${GOOD}&http=`],
    ['http', 'a door that is no web page', `${GOOD}&http=ftp%3A%2F%2Fgate`],
    ['http', 'a door with a user before it', `${GOOD}&http=https%3A%2F%2Fgate%40evil`],
    ['http', 'two doors', `${GOOD}&http=https%3A%2F%2Fa&http=https%3A%2F%2Fb`],
  ]
  it.each(refused)('is refused for its %s: %s', (part, _what, text) => {
    expect(parseInvitation(text)).toEqual({ ok: false, error: { code: 'invitation', part } })
  })

  it('never throws, and never repeats what it refuses', () => {
    const piece = fc.constantFrom(
      ...['&', '=', '?', '/', '%', '%00', '@', '[', ']', ':', '\t', 'é', '#'],
    )
    const nearly = fc
      .array(fc.tuple(fc.nat({ max: GOOD.length }), piece), { minLength: 1, maxLength: 3 })
      .map(changes =>
        changes.reduce((text, [at, put]) => text.slice(0, at) + put + text.slice(at + 1), GOOD),
      )
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearly), text => {
        const parsed = parseInvitation(text)
        if (parsed.ok) return
        expect(Object.keys(parsed.error)).toEqual(['code', 'part'])
        expect(parsed.error.part).toMatch(/^[a-z]+$/)
      }),
      { numRuns: 2000 },
    )
  })
})
