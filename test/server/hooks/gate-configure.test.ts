import { once } from 'node:events'
import { createServer } from 'node:net'
import { parseNetwork } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { Endpoint, Service } from '../../../server/src/core/directory.ts'
import type { Opening } from '../../../server/src/core/openings.ts'
import { GateHook } from '../../../server/src/hooks/gate.ts'
import { ManualClock } from './clock.ts'
import { service } from './service.ts'
import { howItEnds, roundTrip, Tcp } from './tcp.ts'

/** Addresses of loopback that are these tests' own, so that their ports are free. */
const at = (port: number): Endpoint => ({ host: '127.99.1.1', port })
const FIRST = at(8443)
const SECOND = at(8444)

const gated = (name: string, listen: Endpoint, forward: Endpoint, own: Partial<Service> = {}) =>
  service(name, { gate: { listen, forward, proxyProtocol: false }, ...own })

describe('a gate that takes up another configuration', () => {
  let clock: ManualClock
  let tcp: Tcp
  let echo: Endpoint
  let gate: GateHook
  let lines: string[]

  beforeEach(async () => {
    clock = new ManualClock()
    tcp = new Tcp()
    echo = await tcp.echo()
    lines = []
  })
  afterEach(async () => {
    await tcp.end()
    await gate.stop()
  })

  async function start(...services: Service[]): Promise<void> {
    gate = new GateHook({ services, clock, log: (_, line) => lines.push(line) })
    await gate.start()
  }

  const configure = (...services: Service[]) =>
    gate.configure({ services, allow: [], spaPorts: [] })

  const opening = (name: string): Opening => ({
    service: name,
    network: parseNetwork('127.0.0.1')!,
    until: clock.now() + 60_000,
  })

  async function session(to: Endpoint) {
    const socket = tcp.connect(to)
    await once(socket, 'connect')
    expect(await roundTrip(socket, 'hello')).toBe('hello')
    return socket
  }

  const refused = async (to: Endpoint) => howItEnds(tcp.connect(to))

  it('keeps what stays as it is, and what came in through it', async () => {
    await start(gated('wiki', FIRST, echo), gated('shop', SECOND, echo))
    await gate.open(opening('wiki'))
    const socket = await session(FIRST)
    await configure(gated('wiki', FIRST, echo, { lifetime: 5 }))
    expect(await gate.list()).toMatchObject([{ service: 'wiki' }])
    expect(await roundTrip(socket, 'still there')).toBe('still there')
    await session(FIRST)
    expect(await refused(SECOND)).toBe('ECONNREFUSED')
  })

  it('lets go of what changes: openings, connections and port', async () => {
    await start(gated('wiki', FIRST, echo))
    await gate.open(opening('wiki'))
    const socket = await session(FIRST)
    await configure(gated('wiki', SECOND, echo))
    expect(await howItEnds(socket)).toBe('ECONNRESET')
    expect(await gate.list()).toEqual([])
    expect(await refused(FIRST)).toBe('ECONNREFUSED')
    await gate.open(opening('wiki'))
    await session(SECOND)
  })

  it('ends connections at the close as it says by now', async () => {
    await start(gated('wiki', FIRST, echo))
    await gate.open(opening('wiki'))
    const socket = await session(FIRST)
    await configure(gated('wiki', FIRST, echo, { onExpiry: 'cut' }))
    await gate.close(opening('wiki'))
    expect(await howItEnds(socket)).toBe('ECONNRESET')
  })

  it('can have two services swap their ports', async () => {
    const other = await tcp.serve(socket => socket.end('the other'))
    await start(gated('wiki', FIRST, echo), gated('shop', SECOND, other))
    await configure(gated('wiki', SECOND, echo), gated('shop', FIRST, other))
    await gate.open(opening('wiki'))
    await session(SECOND)
    expect(await refused(FIRST)).toBe('ECONNRESET')
  })

  it('changes nothing if a port is taken, not even for a connection', async () => {
    await start(gated('wiki', FIRST, echo), gated('shop', SECOND, echo))
    for (const name of ['wiki', 'shop']) await gate.open(opening(name))
    const sockets = [await session(FIRST), await session(SECOND)]
    const squatter = createServer().listen(8445, FIRST.host)
    onTestFinished(() => {
      squatter.close()
    })
    await once(squatter, 'listening')
    const wanted = [gated('wiki', SECOND, echo), gated('shop', at(8445), echo)]
    await expect(configure(...wanted)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/gate of service shop .* port 8445: another program/),
    })
    for (const socket of sockets) expect(await roundTrip(socket, 'still')).toBe('still')
    await session(FIRST)
    await session(SECOND)
    expect(await gate.list()).toHaveLength(2)
    expect(lines).toEqual([])
    squatter.close()
    await configure(...wanted)
    expect(await howItEnds(sockets[0]!)).toBe('ECONNRESET')
  })
})
