import { type Address, readAddress } from '@oneknock/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  endpointsClash,
  formatEndpoint,
  formatPort,
  parseEndpoint,
  parseListen,
  parsePort,
} from '../../../server/src/config/places.ts'
import type { Endpoint } from '../../../server/src/core/directory.ts'

const port = fc.integer({ min: 1, max: 65_535 })
const address: fc.Arbitrary<Address> = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map(bytes => readAddress(bytes, 0))
const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/)
const host = fc.oneof(
  address,
  fc.array(label, { minLength: 1, maxLength: 4 }).map(labels => labels.join('.')),
)
const endpoint: fc.Arbitrary<Endpoint> = fc.record({ host, port })

describe('endpoints', () => {
  it.each([
    ['[::]:62201', '::', 62201],
    ['[2001:DB8::1]:443', '2001:db8::1', 443],
    ['0.0.0.0:8443', '0.0.0.0', 8443],
    ['gate.example.com:62201', 'gate.example.com', 62201],
    ['localhost:1', 'localhost', 1],
  ])('%s', (text, host, port) => {
    expect(parseEndpoint(text)).toEqual({ host, port })
  })

  it.each([
    '',
    ':443',
    'host',
    'host:',
    'host:0',
    'host:022',
    'host:65536',
    'host:-1',
    'host:4x',
    'host:443:',
    '::1:443',
    '[::1]',
    '[::1:443',
    '[10.0.0.1]:443',
    '[::ffff:10.0.0.1]:443',
    '[fe80::1%eth0]:443',
    '256.0.0.1:443',
    '10.0.1:443',
    '-host:443',
    'host-:443',
    'ho st:443',
    'user@host:443',
    'http://host:443',
    `${'a'.repeat(254)}:443`,
  ])('refuses %j', text => {
    expect(parseEndpoint(text)).toBeUndefined()
  })

  it('take a default port only if there is one', () => {
    expect(parseEndpoint('gate.example.com', 62201)).toEqual({
      host: 'gate.example.com',
      port: 62201,
    })
    expect(parseEndpoint('[::1]', 62201)).toEqual({ host: '::1', port: 62201 })
    expect(parseEndpoint('gate.example.com:', 62201)).toBeUndefined()
    expect(parseEndpoint('gate.example.com:1', 62201)?.port).toBe(1)
  })

  it('to listen on are addresses', () => {
    expect(parseListen('127.0.0.1:8443')).toEqual({ host: '127.0.0.1', port: 8443 })
    expect(parseListen('localhost:8443')).toBeUndefined()
  })

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(endpoint, one => {
        expect(parseEndpoint(formatEndpoint(one))).toEqual(one)
      }),
    )
  })

  it('never throw', () => {
    const pieces = fc.array(fc.constantFrom('[', ']', ':', '.', '0', 'a', '::', '1', '%', '/'))
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          pieces.map(all => all.join('')),
        ),
        text => {
          const parsed = parseEndpoint(text)
          if (parsed) expect(parseEndpoint(formatEndpoint(parsed))).toEqual(parsed)
        },
      ),
    )
  })
})

describe('clashes', () => {
  it.each([
    ['0.0.0.0:1', '0.0.0.0:1', true],
    ['0.0.0.0:1', '0.0.0.0:2', false],
    ['0.0.0.0:1', '127.0.0.1:1', true],
    ['127.0.0.1:1', '127.0.0.2:1', false],
    ['[::]:1', '127.0.0.1:1', true],
    ['[::]:1', '[::1]:1', true],
    ['[::1]:1', '0.0.0.0:1', false],
    ['[::1]:1', '[::2]:1', false],
  ])('%s and %s: %s', (a, b, clash) => {
    expect(endpointsClash(parseEndpoint(a)!, parseEndpoint(b)!)).toBe(clash)
    expect(endpointsClash(parseEndpoint(b)!, parseEndpoint(a)!)).toBe(clash)
  })
})

describe('ports', () => {
  it('are read back as they were written', () => {
    const one = fc.record({ protocol: fc.constantFrom('tcp' as const, 'udp' as const), port })
    fc.assert(
      fc.property(one, wanted => {
        expect(parsePort(formatPort(wanted))).toEqual(wanted)
      }),
    )
  })

  it.each([
    '',
    '22',
    'tcp',
    'tcp/',
    'tcp/0',
    'tcp/022',
    'tcp/65536',
    'TCP/22',
    'sctp/22',
    'tcp/22 ',
    'tcp/22-30',
  ])('refuses %j', text => {
    expect(parsePort(text)).toBeUndefined()
  })

  it('never throw', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        const parsed = parsePort(text)
        if (parsed) expect(formatPort(parsed)).toBe(text)
      }),
    )
  })
})
