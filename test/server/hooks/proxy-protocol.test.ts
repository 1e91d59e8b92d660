import { once } from 'node:events'
import { parseAddress, parseNetwork } from '@oneknock/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { GateHook } from '../../../server/src/hooks/gate.ts'
import { proxyHeader } from '../../../server/src/hooks/proxy-protocol.ts'
import { ManualClock } from './clock.ts'
import { service } from './service.ts'
import { readAll, Tcp } from './tcp.ts'

describe('PROXY protocol header', () => {
  const end = (address: string, port: number) => ({ address: parseAddress(address)!, port })

  it('is 28 bytes for IPv4, to the byte', () => {
    const header = proxyHeader(end('203.0.113.7', 51_234), end('198.51.100.1', 443))
    expect(Buffer.from(header).toString('hex')).toBe(
      ['0d0a0d0a000d0a515549540a', '21', '11', '000c', 'cb007107', 'c6336401', 'c822', '01bb'].join(
        '',
      ),
    )
  })

  it('is 52 bytes for IPv6, to the byte', () => {
    const header = proxyHeader(end('2001:db8::7', 1), end('2001:db8::1', 65_535))
    expect(Buffer.from(header).toString('hex')).toBe(
      [
        '0d0a0d0a000d0a515549540a',
        '21',
        '21',
        '0024',
        '20010db8000000000000000000000007',
        '20010db8000000000000000000000001',
        '0001',
        'ffff',
      ].join(''),
    )
  })
})

describe('gate with proxy_protocol', () => {
  const tcp = new Tcp()
  let hook: GateHook

  afterEach(async () => {
    await tcp.end()
    await hook.stop()
  })

  it.each([
    { listen: '127.0.0.1', to: '127.0.0.1', from: '127.0.0.9' },
    { listen: '::', to: '127.0.0.1', from: '127.0.0.9' },
    { listen: '::', to: '::1', from: '::1' },
  ])('tells the service that $from came to $to (listening on $listen)', async way => {
    const clock = new ManualClock()
    const backend = await tcp.serve(async socket => socket.end(await readAll(socket)))
    const gate = { listen: { host: way.listen, port: 0 }, forward: backend, proxyProtocol: true }
    hook = new GateHook({ services: [service('wiki', { gate })], clock, log: () => {} })
    await hook.start()
    const network = parseNetwork(way.from)!
    await hook.open({ service: 'wiki', network, until: clock.now() + 60_000 })
    const { port } = hook.endpoint('wiki')!
    const socket = tcp.connect({ host: way.to, port }, way.from)
    await once(socket, 'connect')
    const { localPort } = socket
    socket.end('first words')
    const { source, destination, rest } = parseProxyHeader(await readAll(socket))
    expect(source).toEqual({ address: way.from, port: localPort })
    expect(destination).toEqual({ address: way.to, port })
    expect(rest).toBe('first words')
  })
})

/** Reads a TCP header of version 2 as its specification says, and takes nothing else. */
function parseProxyHeader(bytes: Buffer) {
  expect(bytes.subarray(0, 12).toString('latin1')).toBe('\r\n\r\n\0\r\nQUIT\n')
  expect(bytes[12]).toBe(0x21)
  expect([0x11, 0x21]).toContain(bytes[13])
  const size = bytes[13] === 0x11 ? 4 : 16
  const length = bytes.readUInt16BE(14)
  expect(length).toBe(2 * size + 4)
  const address = (at: number) => {
    const raw = bytes.subarray(at, at + size)
    const text =
      size === 4 ? [...raw].join('.') : raw.toString('hex').replace(/(.{4})(?!$)/g, '$1:')
    return parseAddress(text)
  }
  return {
    source: { address: address(16), port: bytes.readUInt16BE(16 + 2 * size) },
    destination: { address: address(16 + size), port: bytes.readUInt16BE(18 + 2 * size) },
    rest: bytes.subarray(16 + length).toString(),
  }
}
