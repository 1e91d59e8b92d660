import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { parseNetwork } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Endpoint, Service } from '../../../server/src/core/directory.ts'
import type { Opening } from '../../../server/src/core/openings.ts'
import { GATE_LIMITS, type GateLimits } from '../../../server/src/hooks/forwarder.ts'
import { GateHook } from '../../../server/src/hooks/gate.ts'
import { HookError } from '../../../server/src/hooks/hook.ts'
import { ManualClock } from './clock.ts'
import { hookConformance } from './conformance.ts'
import { service } from './service.ts'
import { howItEnds, readAll, roundTrip, Tcp } from './tcp.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }
const NOWHERE = { host: '127.0.0.1', port: 1 }
const HOUR = 3_600_000
/** The machine may be busy. */
const PATIENCE = { timeout: 10_000 }

const gated = (name: string, forward: Endpoint, own: Partial<Service> = {}, listen = LOOPBACK) =>
  service(name, { gate: { listen, forward, proxyProtocol: false }, ...own })

hookConformance('gate', async () => {
  const clock = new ManualClock()
  const services = [gated('wiki', NOWHERE), gated('shop', NOWHERE)]
  const hook = new GateHook({ services, clock, log: () => {} })
  await hook.start()
  return {
    hook,
    clock,
    services: ['wiki', 'shop'],
    passTime: async until => clock.advance(until + 1 - clock.now()),
    cleanup: () => hook.stop(),
  }
})

describe('gate', () => {
  let clock: ManualClock
  let tcp: Tcp
  let lines: string[]
  let gates: GateHook[]

  beforeEach(() => {
    clock = new ManualClock()
    tcp = new Tcp()
    lines = []
    gates = []
  })
  afterEach(async () => {
    await tcp.end()
    await Promise.all(gates.map(gate => gate.stop()))
  })

  async function gate(services: Service[], limits?: Partial<GateLimits>): Promise<GateHook> {
    const hook = new GateHook({
      services,
      clock,
      log: (_, line) => lines.push(line),
      limits: { ...GATE_LIMITS, ...limits },
    })
    gates.push(hook)
    await hook.start()
    return hook
  }

  const door = (network: string, until = clock.now() + HOUR): Opening => ({
    service: 'wiki',
    network: parseNetwork(network)!,
    until,
  })

  const through = (hook: GateHook, from?: string, host?: string): Socket => {
    const endpoint = hook.endpoint('wiki')!
    return tcp.connect({ host: host ?? endpoint.host, port: endpoint.port }, from)
  }

  const passes = async (hook: GateHook, from?: string, host?: string) => {
    const socket = through(hook, from, host)
    expect(await roundTrip(socket, 'hello')).toBe('hello')
    return socket
  }

  const isRefused = async (hook: GateHook, from?: string, host?: string) => {
    const socket = through(hook, from, host)
    expect(await howItEnds(socket)).toBe('ECONNRESET')
  }

  it('hangs up on strangers before the service hears of them', async () => {
    const echo = await tcp.echo()
    const hook = await gate([gated('wiki', echo)])
    await isRefused(hook)
    await hook.open(door('127.0.0.2'))
    await isRefused(hook)
    expect(echo.sockets).toHaveLength(0)
    await passes(hook, '127.0.0.2')
    expect(echo.sockets).toHaveLength(1)
  })

  it('lets in until the time is up, without being told', async () => {
    const hook = await gate([gated('wiki', await tcp.echo())])
    await hook.open(door('127.0.0.1', clock.now() + 1_000))
    clock.advance(999)
    await passes(hook)
    clock.advance(1)
    await isRefused(hook)
  })

  it('is not prolonged by a wall clock that steps back', async () => {
    const hook = await gate([gated('wiki', await tcp.echo())])
    await hook.open(door('127.0.0.1', clock.now() + 1_000))
    clock.step(-HOUR)
    await passes(hook)
    clock.advance(1_000)
    await isRefused(hook)
    expect(await hook.list()).toEqual([])
  })

  it('tells IPv4 from IPv6 on a dual-stack listener', async () => {
    const wildcard = { host: '::', port: 0 }
    const hook = await gate([gated('wiki', await tcp.echo(), {}, wildcard)])
    await hook.open(door('127.0.0.1'))
    await passes(hook, undefined, '127.0.0.1')
    await isRefused(hook, undefined, '::1')
    await hook.close(door('127.0.0.1'))
    await hook.open(door('::1'))
    await passes(hook, undefined, '::1')
    await isRefused(hook, undefined, '127.0.0.1')
    // All of IPv6 holds the mapped form of IPv4 addresses, but does not admit them.
    await hook.open(door('::/0'))
    await isRefused(hook, undefined, '127.0.0.1')
  })

  it('admits every address of a prefix and none beside it', async () => {
    const hook = await gate([gated('wiki', await tcp.echo())])
    await hook.open(door('127.0.8.0/22'))
    await passes(hook, '127.0.8.1')
    await passes(hook, '127.0.11.255')
    await isRefused(hook, '127.0.7.255')
    await isRefused(hook, '127.0.12.0')
    await hook.close(door('127.0.8.0/22'))
    await isRefused(hook, '127.0.8.1')
  })

  it('finds its one among 10,000 openings', async () => {
    const hook = await gate([gated('wiki', await tcp.echo())])
    for (let i = 0; i < 10_000; i++) {
      const [high, low] = [i >> 8, i & 255]
      await hook.open(door(i % 2 ? `127.1.${high}.${low}` : `127.${100 + high}.${low}.0/25`))
    }
    expect(await hook.list()).toHaveLength(10_000)
    await passes(hook, '127.1.0.1')
    await isRefused(hook, '127.1.0.2')
    await passes(hook, '127.103.2.9')
    await isRefused(hook, '127.103.3.9')
  })

  it('passes a large stream both ways, unchanged', async () => {
    const hook = await gate([gated('wiki', await tcp.echo())])
    await hook.open(door('127.0.0.1'))
    const socket = through(hook)
    const sent = randomBytes(8 << 20)
    socket.end(sent)
    const received = await readAll(socket)
    expect(received.length).toBe(sent.length)
    expect(digest(received)).toBe(digest(sent))
  })

  it('lets one side finish while the other goes on', async () => {
    const backend = await tcp.serve(async socket => {
      const question = await readAll(socket)
      socket.end(`you said ${question}`)
    })
    const hook = await gate([gated('wiki', backend)])
    await hook.open(door('127.0.0.1'))
    const asker = through(hook)
    asker.end('all I have to say')
    expect(String(await readAll(asker))).toBe('you said all I have to say')
  })

  it('passes on the end of a service that finishes first', async () => {
    let heard = ''
    const backend = await tcp.serve(socket => {
      socket.on('data', chunk => {
        heard += chunk
      })
      socket.end('bye')
    })
    const hook = await gate([gated('wiki', backend)])
    await hook.open(door('127.0.0.1'))
    const socket = through(hook)
    expect(String(await readAll(socket))).toBe('bye')
    socket.end('still talking')
    await vi.waitFor(() => expect(heard).toBe('still talking'), PATIENCE)
  })

  it('reads no faster than the service does', async () => {
    const backend = await tcp.serve(socket => socket.pause())
    const hook = await gate([gated('wiki', backend)])
    await hook.open(door('127.0.0.1'))
    const socket = through(hook)
    const sent = Buffer.alloc(96 << 20, 'x')
    for (let at = 0; at < sent.length; at += 1 << 20)
      socket.write(sent.subarray(at, at + (1 << 20)))
    socket.end()
    await vi.waitFor(() => expect(backend.sockets).toHaveLength(1), PATIENCE)
    await vi.waitUntil(
      hasStopped(() => socket.writableLength),
      { interval: 100, ...PATIENCE },
    )
    // What the kernel's buffers and the two streams hold; the rest is still the sender's.
    expect(socket.writableLength).toBeGreaterThan(sent.length / 4)
    expect((await readAll(backend.sockets[0]!)).length).toBe(sent.length)
  })

  it('hangs up when the service cannot be reached, and says so once', async () => {
    const hook = await gate([gated('wiki', NOWHERE)])
    await hook.open(door('127.0.0.1'))
    await isRefused(hook)
    await isRefused(hook)
    expect(lines).toEqual([
      'gate of service wiki: cannot reach the service behind it: connect ECONNREFUSED 127.0.0.1:1',
    ])
    clock.advance(60_000)
    await isRefused(hook)
    expect(lines).toHaveLength(2)
  })

  it('gives up on a service that never answers', async () => {
    const deaf = await startDeafService()
    try {
      const hook = await gate([gated('wiki', deaf.endpoint)], { connectTimeout: 300 })
      await hook.open(door('127.0.0.1'))
      await isRefused(hook)
      expect(lines).toEqual([expect.stringContaining(`port ${deaf.endpoint.port} is silent`)])
    } finally {
      deaf.kill()
    }
  })

  it('passes a reset on as a reset', async () => {
    const backend = await tcp.serve(socket => socket.once('data', () => socket.resetAndDestroy()))
    const hook = await gate([gated('wiki', backend)])
    await hook.open(door('127.0.0.1'))
    const socket = through(hook)
    socket.write('provoke')
    expect(await howItEnds(socket)).toBe('ECONNRESET')
  })

  it('bounds the connections of one address, and takes new ones as old ones end', async () => {
    const hook = await gate([gated('wiki', await tcp.echo())], { perSource: 2 })
    await hook.open(door('127.0.0.0/24'))
    const first = await passes(hook, '127.0.0.2')
    await passes(hook, '127.0.0.2')
    await isRefused(hook, '127.0.0.2')
    await passes(hook, '127.0.0.3')
    expect(lines).toEqual([expect.stringContaining('127.0.0.2 has all 2 connections')])
    first.destroy()
    await vi.waitFor(() => passes(hook, '127.0.0.2'), PATIENCE)
  })

  it('bounds the connections of one service', async () => {
    const hook = await gate([gated('wiki', await tcp.echo())], { connections: 3 })
    await hook.open(door('127.0.0.0/24'))
    for (const from of ['127.0.0.2', '127.0.0.3', '127.0.0.4']) await passes(hook, from)
    await isRefused(hook, '127.0.0.5')
    expect(lines).toEqual([expect.stringContaining('all 3 connections are taken')])
  })

  it('keeps what is connected when the door closes', async () => {
    const hook = await gate([gated('wiki', await tcp.echo())])
    await hook.open(door('127.0.0.1'))
    const socket = await passes(hook)
    await hook.close(door('127.0.0.1'))
    await isRefused(hook)
    expect(await roundTrip(socket, 'still here')).toBe('still here')
  })

  it('cuts what is connected when the service says so, but not what another opening admits', async () => {
    const hook = await gate([gated('wiki', await tcp.echo(), { onExpiry: 'cut' })])
    await hook.open(door('127.0.0.0/24'))
    await hook.open(door('127.0.0.2'))
    const [covered, alone] = [await passes(hook, '127.0.0.2'), await passes(hook, '127.0.0.3')]
    await hook.close(door('127.0.0.0/24'))
    expect(await howItEnds(alone)).toBe('ECONNRESET')
    expect(await roundTrip(covered, 'still here')).toBe('still here')
    await hook.close(door('127.0.0.2'))
    expect(await howItEnds(covered)).toBe('ECONNRESET')
  })

  it('cuts on demand, before or after closing', async () => {
    const hook = await gate([gated('wiki', await tcp.echo()), gated('shop', NOWHERE)])
    await hook.open(door('127.0.0.2'))
    await hook.open(door('127.0.0.3'))
    const [removed, after, other] = [
      await passes(hook, '127.0.0.2'),
      await passes(hook, '127.0.0.3'),
      await passes(hook, '127.0.0.3'),
    ]
    await hook.cut({ ...door('127.0.0.3'), service: 'shop' })
    await hook.cut(door('127.0.0.2'))
    expect(await howItEnds(removed)).toBe('ECONNRESET')
    expect(await roundTrip(other, 'still here')).toBe('still here')
    await hook.close(door('127.0.0.3'))
    await hook.cut(door('127.0.0.3'))
    expect(await howItEnds(after)).toBe('ECONNRESET')
    expect(await howItEnds(other)).toBe('ECONNRESET')
  })

  it('names the port that it cannot have, and listens nowhere', async () => {
    const taken = await tcp.echo()
    const free = await tcp.serve(() => {})
    const hook = new GateHook({
      services: [gated('wiki', free), gated('shop', free, {}, taken)],
      clock,
      log: () => {},
    })
    const error = await hook.start().catch(error => error)
    expect(error).toBeInstanceOf(HookError)
    expect(error).toMatchObject({ hook: 'gate', code: 'unavailable' })
    expect(error.message).toBe(
      `the gate of service shop cannot listen on 127.0.0.1 port ${taken.port}: another program has the port; stop it or change services.shop.gate.listen`,
    )
    expect(hook.endpoint('wiki')).toBeUndefined()
    await expect(hook.open(door('127.0.0.1'))).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('ends every connection when it stops, frees its port and forgets', async () => {
    const hook = await gate([gated('wiki', await tcp.echo())])
    await hook.open(door('127.0.0.1'))
    const socket = await passes(hook)
    const endpoint = hook.endpoint('wiki')!
    const ended = howItEnds(socket)
    await hook.stop()
    expect(await ended).toBe('ECONNRESET')
    expect(await howItEnds(tcp.connect(endpoint))).toBe('ECONNREFUSED')
    await hook.start()
    await isRefused(hook)
  })
})

/** True once a number is the same as it was when last asked for. */
function hasStopped(read: () => number): () => boolean {
  let before: number | undefined
  return () => {
    const now = read()
    const same = now === before
    before = now
    return same
  }
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** A listener whose process is stopped and whose queue is full: the kernel drops further SYNs. */
async function startDeafService() {
  const child = spawn(
    process.execPath,
    [
      '-e',
      `const server = require('net').createServer()
       server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
         require('fs').writeSync(1, String(server.address().port))
         process.kill(process.pid, 'SIGSTOP')
       })`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [port] = await once(child.stdout, 'data')
  const endpoint = { host: '127.0.0.1', port: Number(port) }
  const tcp = new Tcp()
  await once(tcp.connect(endpoint), 'connect')
  await once(tcp.connect(endpoint), 'connect')
  return {
    endpoint,
    kill() {
      void tcp.end()
      child.kill('SIGKILL')
    },
  }
}
